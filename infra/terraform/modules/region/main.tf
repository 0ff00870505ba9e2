locals {
  place = "${var.location.region}:${var.location.account_id}"

  # The doorbell belongs to the relay; all other queues take events.
  event_queues    = { for key, queue in var.spec.queues : key => queue if key != "doorbell" }
  relay_function  = "outbox-relay"
  hook_function   = "pre-traffic"
  has_hook        = contains(keys(var.spec.functions), local.hook_function)
  consumers       = { for function, consumer in var.spec.consumers : function => consumer if function != local.relay_function }
  relay_consumer  = var.spec.consumers[local.relay_function]
  sweep_schedules = { for name, schedule in var.spec.schedules : name => schedule if schedule.function != local.relay_function }
  relay_sweep     = one([for name, schedule in var.spec.schedules : merge(schedule, { name = name }) if schedule.function == local.relay_function])

  queues = merge({ doorbell = module.relay.doorbell }, module.queue)

  queue_name       = { for key, queue in var.spec.queues : key => "${var.name}-${replace(key, "_", "-")}${queue.fifo ? ".fifo" : ""}" }
  dead_letter_name = { for key, name in local.queue_name : key => replace(name, "/(\\.fifo)?$/", "-dlq$1") }
  queue_arn        = { for key, name in local.queue_name : key => "arn:aws:sqs:${local.place}:${name}" }
  queue_url        = { for key, name in local.queue_name : key => "https://sqs.${var.location.region}.amazonaws.com/${var.location.account_id}/${name}" }

  # What a variable of infra/souk.json is, which secrets it reads and which queues it sends to.
  values = merge(
    { for source, value in var.values : source => { text = value.text, secrets = value.arns, sends_to = [], rotates = [] } },
    { for source, ring in var.rings : source => { text = ring.text, secrets = [], sends_to = [], rotates = ring.arns } },
    { for key, url in local.queue_url : "queue.${key}" => { text = url, secrets = [], sends_to = [local.queue_arn[key]], rotates = [] } },
    { for key, url in local.queue_url : "dead_letters.${key}" => {
      text     = "https://sqs.${var.location.region}.amazonaws.com/${var.location.account_id}/${local.dead_letter_name[key]}"
      secrets  = []
      sends_to = ["arn:aws:sqs:${local.place}:${local.dead_letter_name[key]}"]
      rotates  = []
    } },
    {
      "event_queues" = {
        text     = jsonencode({ for key in keys(local.event_queues) : key => local.queue_url[key] })
        secrets  = []
        sends_to = [for key in keys(local.event_queues) : local.queue_arn[key]]
        rotates  = []
      }
    },
  )

  secrets_of  = { for key, f in var.spec.functions : key => sort(distinct(flatten([for source in values(f.variables) : local.values[source].secrets]))) }
  rotates_of  = { for key, f in var.spec.functions : key => sort(distinct(flatten([for source in values(f.variables) : local.values[source].rotates]))) }
  sends_to_of = { for key, f in var.spec.functions : key => sort(distinct(flatten([for source in values(f.variables) : local.values[source].sends_to]))) }

  # The key's id is not known before it is made; its alias narrows what the role may use it for to one key.
  key_statement = {
    sid       = "Key"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["arn:aws:kms:${local.place}:key/*"]
    conditions = {
      "ForAnyValue:StringEquals" = { "kms:ResourceAliases" = [var.kms.alias] }
      StringEquals = { "kms:ViaService" = [
        for service in ["lambda", "secretsmanager", "sqs"] : "${service}.${var.location.region}.amazonaws.com"
      ] }
    }
    wildcard_reason = ""
  }
}

locals {
  # Asks new versions, and tells the deployment.
  hook_statements = [
    {
      sid             = "AskNewVersions"
      actions         = ["lambda:InvokeFunction"]
      resources       = [for key in keys(var.spec.functions) : "arn:aws:lambda:${local.place}:function:${var.name}-${key}:*" if key != local.hook_function]
      conditions      = {}
      wildcard_reason = ""
    },
    {
      sid             = "TellTheDeployment"
      actions         = ["codedeploy:GetDeployment", "codedeploy:PutLifecycleEventHookExecutionStatus"]
      resources       = ["arn:aws:codedeploy:${local.place}:deploymentgroup:${var.name}/*"]
      conditions      = {}
      wildcard_reason = ""
    },
  ]
}

module "function" {
  for_each     = var.spec.functions
  source       = "../function"
  name         = "${var.name}-${each.key}"
  description  = each.value.what
  location     = var.location
  architecture = var.architecture
  artefact     = { bucket = var.artefacts.bucket, key = "${var.artefacts.version}/souk-${each.key}.zip" }
  timeout_s    = each.value.timeout_s
  memory_mib   = each.value.memory_mib
  environment = merge(
    { for variable, source in each.value.variables : variable => local.values[source].text },
    # AWS by IPv6, where there is no other way out.
    try(var.vpc.dual_stack, false) ? { AWS_USE_DUALSTACK_ENDPOINT = "true" } : {},
  )
  layers             = var.layers
  kms_key_arn        = var.kms.arn
  log_retention_days = var.log_retention_days
  # What needs no database stays outside: it reaches AWS and the internet without anybody's gateway.
  vpc = var.vpc == null || !contains(each.value.egress, "database") ? null : {
    subnet_ids         = var.vpc.subnet_ids
    security_group_ids = var.vpc.security_group_ids
    ipv6               = var.vpc.dual_stack
  }
  concurrency_reserved = lookup(var.concurrency, each.key, null)
  enabled              = !contains(var.kill.functions, each.key)
  statements = concat(
    length(local.secrets_of[each.key]) == 0 ? [] : [{
      sid             = "Secrets"
      actions         = ["secretsmanager:GetSecretValue"]
      resources       = local.secrets_of[each.key]
      conditions      = {}
      wildcard_reason = ""
    }],
    length(local.sends_to_of[each.key]) == 0 ? [] : [{
      sid             = "Send"
      actions         = ["sqs:SendMessage"]
      resources       = local.sends_to_of[each.key]
      conditions      = {}
      wildcard_reason = ""
    }],
    length(local.rotates_of[each.key]) == 0 ? [] : [{
      sid             = "Rotate"
      actions         = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"]
      resources       = local.rotates_of[each.key]
      conditions      = {}
      wildcard_reason = ""
    }],
    each.key == local.hook_function ? local.hook_statements : [],
    [local.key_statement],
  )
  dead_letters = {
    reason = (
      startswith(each.value.dead_letters, "none: ") ? trimprefix(each.value.dead_letters, "none: ") :
      "its queue ${each.value.dead_letters} keeps what failed, and ends in dead letters; what a schedule began, its next run does"
    )
  }
}

module "queue" {
  for_each             = local.event_queues
  source               = "../queue"
  name                 = "${var.name}-${replace(each.key, "_", "-")}"
  location             = var.location
  fifo                 = each.value.fifo
  visibility_timeout_s = each.value.visibility_timeout_s
  retention_s          = each.value.retention_s
  kms_key_arn          = var.kms.arn
  dead_letters         = { receives_max = each.value.receives_max, retention_s = each.value.dead_letter_retention_s }
}

module "consumer" {
  for_each        = local.consumers
  source          = "../consumer"
  location        = var.location
  queue           = module.queue[each.value.queue]
  function        = module.function[each.key]
  batch_size      = each.value.batch_size
  concurrency_max = each.value.concurrency_max
  enabled         = var.active && !contains(var.kill.consumers, each.key)
}

module "relay" {
  source      = "../relay"
  name        = var.name
  location    = var.location
  function    = module.function[local.relay_function]
  kms_key_arn = var.kms.arn
  enabled     = var.active && !var.kill.relay
  doorbell = merge(var.spec.queues["doorbell"], {
    batch_size      = local.relay_consumer.batch_size
    concurrency_max = local.relay_consumer.concurrency_max
  })
  sweep = { name = local.relay_sweep.name, rate = coalesce(var.sweep_rate, local.relay_sweep.rate) }
}

module "schedule" {
  for_each = local.sweep_schedules
  source   = "../schedule"
  name     = "${var.name}-${each.key}"
  location = var.location
  rate     = each.value.rate == "rate(1 minute)" ? coalesce(var.sweep_rate, each.value.rate) : each.value.rate
  function = module.function[each.value.function]
  # What writes secrets runs where they are written.
  enabled = (length(local.rotates_of[each.value.function]) > 0 ? var.home : var.active) && !var.kill.schedules
}

module "api" {
  source             = "../api"
  name               = var.name
  location           = var.location
  functions          = { for key, f in var.spec.functions : key => module.function[key] if f.http }
  routes             = var.spec.routes
  throttling         = var.throttling
  enabled            = !var.kill.api
  log_retention_days = var.log_retention_days
  kms_key_arn        = var.kms.arn
  domain             = var.domain
}

module "observability" {
  source       = "../observability"
  name         = var.name
  location     = var.location
  kms_key_arn  = var.kms.arn
  detail       = var.active ? var.alarms.detail : "essential"
  runbooks_url = var.alarms.runbooks_url
  subscribers  = { page = var.alarms.page, ticket = var.alarms.ticket }
  functions = {
    for key, f in var.spec.functions : key => {
      name = "${var.name}-${key}"
      # The hook is asked by its name.
      alias          = key == local.hook_function ? null : "live"
      timeout_s      = f.timeout_s
      log_group_name = module.function[key].log_group_name
      runbook        = f.runbook
      # What runs seldom has no five failures to wait for.
      errors_max = contains(["migrate", "pre-traffic", "reconcile", "rotate-keys"], key) ? 1 : 5
    }
  }
  queues = {
    for key, queue in var.spec.queues : key => {
      name                   = local.queue_name[key]
      dead_letter_name       = local.dead_letter_name[key]
      oldest_message_alarm_s = queue.oldest_message_alarm_s
      oldest_message_runbook = queue.oldest_message_runbook
      dead_letters_runbook   = queue.dead_letters_runbook
    }
  }
  metrics = {
    for key, m in try(var.spec.metrics, {}) : key => {
      what       = m.what
      metric     = m.metric
      dimensions = { for name, value in m.dimensions : name => value }
      statistic  = m.statistic
      threshold  = m.threshold
      severity   = m.severity
      runbook    = m.runbook
    } if var.active
  }
  pulse    = var.active && var.sweep_rate == null ? { function = "${var.name}-${local.relay_function}", runbook = "schedules-dead" } : null
  api      = { id = module.api.id }
  database = var.database
  slo      = var.slo
  canary = var.canary == null ? null : {
    bucket           = var.artefacts.bucket
    key              = "${var.artefacts.version}/journey.zip"
    artefacts_bucket = var.canary.artefacts_bucket
    rate             = var.canary.rate
    edge_url         = var.canary.edge_url
    host             = var.canary.host
    api_key_secret   = var.canary.api_key_secret
    sku              = var.canary.sku
  }
}

module "delivery" {
  count    = var.deliver ? 1 : 0
  source   = "../delivery"
  name     = var.name
  location = var.location
  strategy = var.strategy
  functions = {
    for key, f in var.spec.functions : key => {
      name  = "${var.name}-${key}"
      alias = "live"
      alarm = module.observability.error_alarm_names[key]
    }
  }
  hook = !local.has_hook ? null : {
    name = "${var.name}-${local.hook_function}"
    arn  = "arn:aws:lambda:${local.place}:function:${var.name}-${local.hook_function}"
  }
  more_alarms = var.canary == null ? [] : ["${var.name}-journey"]
}
