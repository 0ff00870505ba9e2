locals {
  is_aurora  = var.engine == "aurora"
  is_standby = local.is_aurora && var.aurora.follows != null
  place      = "${var.location.region}:${var.location.account_id}"
  ca_path    = "/opt/rds-ca.pem"

  # The owner's password of an external database is not ours to choose, and a standby has its primary's secrets.
  own_passwords = local.is_standby ? toset([]) : toset([
    for role in keys(var.logins) : role if local.is_aurora || role != "owner"
  ])
  secrets = local.is_standby ? toset([]) : toset(keys(var.logins))
}

# 40 characters out of 62, which need no escaping in a URL. In no state and no plan.
ephemeral "aws_secretsmanager_random_password" "role" {
  for_each                   = local.own_passwords
  region                     = var.location.region
  password_length            = 40
  exclude_punctuation        = true
  require_each_included_type = false
}

resource "aws_secretsmanager_secret" "role" {
  for_each                = local.secrets
  region                  = var.location.region
  name                    = "${var.name}/db-${each.key}"
  description             = "Password of the database role ${var.logins[each.key]}"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.secret_recovery_days

  dynamic "replica" {
    for_each = var.secret_replicas
    content {
      region     = replica.value.region
      kms_key_id = replica.value.kms_key_arn
    }
  }
}

resource "aws_secretsmanager_secret_version" "role" {
  for_each                 = local.own_passwords
  region                   = var.location.region
  secret_id                = aws_secretsmanager_secret.role[each.key].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.role[each.key].random_password
  secret_string_wo_version = var.password_generations[each.key]
}

resource "aws_db_subnet_group" "this" {
  count       = local.is_aurora ? 1 : 0
  region      = var.location.region
  name        = var.name
  description = "Private subnets"
  subnet_ids  = var.network.subnet_ids
}

resource "aws_security_group" "database" {
  count       = local.is_aurora ? 1 : 0
  region      = var.location.region
  name        = "${var.name}-database"
  description = "The database: reached by functions only, calls nobody"
  vpc_id      = var.network.vpc_id
  tags        = { Name = "${var.name}-database" }
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  for_each                     = local.is_aurora ? merge({ functions = var.network.functions_security_group_id }, var.aurora.proxy ? { proxy = aws_security_group.database[0].id } : {}) : {}
  region                       = var.location.region
  security_group_id            = aws_security_group.database[0].id
  description                  = "From ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
  referenced_security_group_id = each.value
}

resource "aws_vpc_security_group_egress_rule" "database" {
  for_each                     = local.is_aurora ? merge({ functions = var.network.functions_security_group_id }, var.aurora.proxy ? { proxy = aws_security_group.database[0].id } : {}) : {}
  region                       = var.location.region
  security_group_id            = each.value
  description                  = "To the database"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
  referenced_security_group_id = aws_security_group.database[0].id
}

resource "aws_rds_cluster_parameter_group" "this" {
  count       = local.is_aurora ? 1 : 0
  region      = var.location.region
  name        = var.name
  description = "TLS only; sessions that functions left behind end; no parameter of a statement is logged"
  family      = "aurora-postgresql${split(".", var.aurora.engine_version)[0]}"

  dynamic "parameter" {
    for_each = {
      "rds.force_ssl"                     = "1"
      "idle_session_timeout"              = "60000"
      "log_min_duration_statement"        = "1000"
      "log_parameter_max_length"          = "0"
      "log_parameter_max_length_on_error" = "0"
      "log_connections"                   = "1"
    }
    content {
      name  = parameter.key
      value = parameter.value
    }
  }
}

resource "aws_cloudwatch_log_group" "postgres" {
  count             = local.is_aurora ? 1 : 0
  region            = var.location.region
  name              = "/aws/rds/cluster/${var.name}/postgresql"
  retention_in_days = var.aurora.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_rds_cluster" "this" {
  count                               = local.is_aurora ? 1 : 0
  region                              = var.location.region
  cluster_identifier                  = var.name
  engine                              = "aurora-postgresql"
  engine_mode                         = "provisioned"
  engine_version                      = var.aurora.engine_version
  global_cluster_identifier           = var.aurora.global_cluster
  replication_source_identifier       = null
  database_name                       = local.is_standby ? null : "souk"
  master_username                     = local.is_standby ? null : var.logins.owner
  master_password_wo                  = local.is_standby ? null : ephemeral.aws_secretsmanager_random_password.role["owner"].random_password
  master_password_wo_version          = local.is_standby ? null : var.password_generations["owner"]
  storage_encrypted                   = true
  kms_key_id                          = var.kms_key_arn
  iam_database_authentication_enabled = true
  # The deployment makes the directory's database by it; nothing else is allowed to use it.
  enable_http_endpoint            = true
  db_subnet_group_name            = aws_db_subnet_group.this[0].name
  db_cluster_parameter_group_name = aws_rds_cluster_parameter_group.this[0].name
  vpc_security_group_ids          = [aws_security_group.database[0].id]
  backup_retention_period         = var.aurora.backup_retention_days
  preferred_backup_window         = "02:00-03:00"
  preferred_maintenance_window    = "sun:03:30-sun:04:30"
  copy_tags_to_snapshot           = true
  delete_automated_backups        = false
  deletion_protection             = var.aurora.deletion_protection
  skip_final_snapshot             = false
  final_snapshot_identifier       = "${var.name}-final"
  enabled_cloudwatch_logs_exports = ["postgresql"]
  performance_insights_enabled    = true
  performance_insights_kms_key_id = var.kms_key_arn
  database_insights_mode          = "standard"

  serverlessv2_scaling_configuration {
    min_capacity             = var.aurora.capacity_min_acu
    max_capacity             = var.aurora.capacity_max_acu
    seconds_until_auto_pause = var.aurora.capacity_min_acu == 0 ? var.aurora.pause_after_s : null
  }

  lifecycle {
    precondition {
      condition     = var.network != null && var.ca_layer != null
      error_message = "An Aurora cluster needs a network, and functions need RDS's certificates (ca_layer) to know it again."
    }
    # A global cluster's switchover changes who follows whom.
    ignore_changes = [replication_source_identifier, global_cluster_identifier]
  }

  depends_on = [aws_cloudwatch_log_group.postgres]
}

resource "aws_rds_cluster_instance" "this" {
  count                           = local.is_aurora ? var.aurora.instances : 0
  region                          = var.location.region
  identifier                      = "${var.name}-${count.index + 1}"
  cluster_identifier              = aws_rds_cluster.this[0].id
  engine                          = "aurora-postgresql"
  engine_version                  = aws_rds_cluster.this[0].engine_version
  instance_class                  = "db.serverless"
  db_subnet_group_name            = aws_db_subnet_group.this[0].name
  publicly_accessible             = false
  promotion_tier                  = min(count.index, 1)
  auto_minor_version_upgrade      = true
  copy_tags_to_snapshot           = true
  performance_insights_enabled    = true
  performance_insights_kms_key_id = var.kms_key_arn
}

resource "aws_lambda_layer_version" "ca" {
  count                    = var.ca_layer == null ? 0 : 1
  region                   = var.location.region
  layer_name               = "${var.name}-rds-ca"
  description              = "RDS's certificate authorities, for sslmode=verify-full"
  s3_bucket                = var.ca_layer.bucket
  s3_key                   = var.ca_layer.key
  compatible_runtimes      = ["provided.al2023"]
  compatible_architectures = ["arm64", "x86_64"]
}
