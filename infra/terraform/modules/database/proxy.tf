resource "aws_iam_role" "proxy" {
  count       = local.is_aurora && var.aurora.proxy ? 1 : 0
  name        = "${var.name}-${var.location.region}-proxy"
  description = "Lets the RDS Proxy read the roles' passwords"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "rds.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = var.location.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "proxy" {
  count = local.is_aurora && var.aurora.proxy ? 1 : 0
  name  = "passwords"
  role  = aws_iam_role.proxy[0].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "Passwords"
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = [for role in ["app", "relay", "sweeper", "directory_reader"] : "arn:aws:secretsmanager:${local.place}:secret:${var.name}/db-${role}-??????"]
    }]
  })
}

resource "aws_db_proxy" "this" {
  count                  = local.is_aurora && var.aurora.proxy ? 1 : 0
  region                 = var.location.region
  name                   = var.name
  engine_family          = "POSTGRESQL"
  role_arn               = aws_iam_role.proxy[0].arn
  require_tls            = true
  idle_client_timeout    = 300
  vpc_subnet_ids         = var.network.subnet_ids
  vpc_security_group_ids = [aws_security_group.database[0].id]

  dynamic "auth" {
    for_each = toset(["app", "relay", "sweeper", "directory_reader"])
    content {
      auth_scheme               = "SECRETS"
      client_password_auth_type = "POSTGRES_SCRAM_SHA_256"
      iam_auth                  = "DISABLED"
      secret_arn                = aws_secretsmanager_secret.role[auth.value].arn
      username                  = var.logins[auth.value]
    }
  }
}

resource "aws_db_proxy_default_target_group" "this" {
  count         = length(aws_db_proxy.this)
  region        = var.location.region
  db_proxy_name = aws_db_proxy.this[0].name

  connection_pool_config {
    connection_borrow_timeout    = 3
    max_connections_percent      = 80
    max_idle_connections_percent = 20
  }
}

resource "aws_db_proxy_target" "this" {
  count                 = length(aws_db_proxy.this)
  region                = var.location.region
  db_proxy_name         = aws_db_proxy.this[0].name
  target_group_name     = aws_db_proxy_default_target_group.this[0].name
  db_cluster_identifier = aws_rds_cluster.this[0].id
}
