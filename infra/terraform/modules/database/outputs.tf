locals {
  has_proxy = length(aws_db_proxy.this) > 0
  host = (
    !local.is_aurora ? try(var.external.host, "") :
    local.has_proxy ? aws_db_proxy.this[0].endpoint : aws_rds_cluster.this[0].endpoint
  )
  # The migration takes locks that last as long as a session: never through a proxy.
  owner_host   = local.is_aurora ? aws_rds_cluster.this[0].endpoint : try(var.external.host, "")
  replica_host = local.is_aurora ? (var.aurora.instances > 1 ? aws_rds_cluster.this[0].reader_endpoint : null) : try(var.external.replica_host, null)
  port         = local.is_aurora ? 5432 : try(var.external.port, 5432)
  # A proxy has a certificate that browsers accept; a cluster has one of RDS's own.
  tls         = local.is_aurora && !local.has_proxy ? "sslmode=verify-full&sslrootcert=${local.ca_path}" : "sslmode=verify-full"
  owner_tls   = local.is_aurora ? "sslmode=verify-full&sslrootcert=${local.ca_path}" : "sslmode=verify-full"
  replica_tls = local.owner_tls

  password = { for role, login in var.logins : role => "{{secret:${var.name}/db-${role}}}" }
  # The generation is in the URL, so that a new password is a new version of each function that uses it.
  url = {
    for role, login in var.logins : role =>
    "postgres://${login}:${local.password[role]}@${role == "owner" ? local.owner_host : local.host}:${local.port}/DATABASE?${role == "owner" ? local.owner_tls : local.tls}&application_name=souk-${role}-${lookup(var.password_generations, role, 1)}"
  }
  replica_url = local.replica_host == null ? null : "postgres://${var.logins.app}:${local.password["app"]}@${local.replica_host}:${local.port}/souk?${local.replica_tls}&application_name=souk-app-${lookup(var.password_generations, "app", 1)}"

  primary_of = { for role in ["app", "relay", "sweeper", "owner"] : role => { primary = replace(local.url[role], "/DATABASE?", "/souk?") } }
  arn_of     = { for role in keys(var.logins) : role => ["arn:aws:secretsmanager:${local.place}:secret:${var.name}/db-${role}-??????"] }
}

output "values" {
  description = "What functions find the database by, under the names of infra/souk.json: the text of a variable, which holds no secret, and the secrets to be allowed with it."
  value = merge(
    { for role in ["app", "relay", "sweeper", "owner"] : "shards.${role}" => {
      text = jsonencode({ (var.shard) = local.primary_of[role] })
      arns = local.arn_of[role]
    } },
    {
      "shards.app.with_replicas" = {
        text = jsonencode({ (var.shard) = merge(local.primary_of["app"], local.replica_url == null ? {} : { replica = local.replica_url }) })
        arns = local.arn_of["app"]
      }
      "directory.reader" = {
        text = replace(local.url["directory_reader"], "/DATABASE?", "/souk_directory?")
        arns = local.arn_of["directory_reader"]
      }
      "directory.owner" = {
        text = replace(local.url["owner"], "/DATABASE?", "/souk_directory?")
        arns = local.arn_of["owner"]
      }
    },
    { for role in ["app", "relay", "sweeper", "directory_reader"] : "password.${role}" => {
      text = local.password[role]
      arns = local.arn_of[role]
    } },
  )
}

output "layers" {
  description = "ARNs of layers that functions need to verify the database."
  value       = [for layer in aws_lambda_layer_version.ca : layer.arn]
}

output "cluster" {
  description = "Name, id and ARN of the Aurora cluster; null with an external database."
  value = local.is_aurora ? {
    name             = var.name
    arn              = "arn:aws:rds:${local.place}:cluster:${var.name}"
    capacity_max_acu = var.aurora.capacity_max_acu
    has_proxy        = local.has_proxy
  } : null
  depends_on = [aws_rds_cluster_instance.this]
}

output "owner_secret" {
  description = "Name of the secret with the owner's password, for the deployment."
  value       = "${var.name}/db-owner"
}
