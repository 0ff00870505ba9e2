locals {
  full  = var.detail == "full"
  place = "${var.location.region}:${var.location.account_id}"

  error_alarms = {
    for key, f in var.functions : "${key}-errors" => {
      what       = "The function ${f.name} failed ${f.errors_max} times or more in five minutes."
      severity   = "page", runbook = f.runbook
      namespace  = "AWS/Lambda", metric = "Errors", statistic = "Sum"
      dimensions = merge({ FunctionName = f.name }, f.alias == null ? {} : { Resource = "${f.name}:${f.alias}" })
      period_s   = 300, periods = 1, threshold = f.errors_max, comparison = "GreaterThanOrEqualToThreshold", missing = "notBreaching"
    }
  }
  throttle_alarms = {
    for key, f in var.functions : "${key}-throttles" => {
      what       = "Invocations of ${f.name} were refused for want of concurrency."
      severity   = "page", runbook = "function-throttled"
      namespace  = "AWS/Lambda", metric = "Throttles", statistic = "Sum"
      dimensions = { FunctionName = f.name }
      period_s   = 300, periods = 2, threshold = 1, comparison = "GreaterThanOrEqualToThreshold", missing = "notBreaching"
    } if local.full
  }
  duration_alarms = {
    for key, f in var.functions : "${key}-duration" => {
      what       = "${f.name} took more than 80 % of its ${f.timeout_s} s, three times in a row."
      severity   = "ticket", runbook = "function-slow"
      namespace  = "AWS/Lambda", metric = "Duration", statistic = "Maximum"
      dimensions = merge({ FunctionName = f.name }, f.alias == null ? {} : { Resource = "${f.name}:${f.alias}" })
      period_s   = 300, periods = 3, threshold = f.timeout_s * 800, comparison = "GreaterThanThreshold", missing = "notBreaching"
    } if local.full
  }
  dead_letter_alarms = {
    for key, q in var.queues : "${key}-dead-letters" => {
      what       = "${q.dead_letter_name} has messages: something was tried until nobody tried any more."
      severity   = "page", runbook = q.dead_letters_runbook
      namespace  = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", statistic = "Maximum"
      dimensions = { QueueName = q.dead_letter_name }
      period_s   = 300, periods = 1, threshold = 0, comparison = "GreaterThanThreshold", missing = "notBreaching"
    }
  }
  oldest_message_alarms = {
    for key, q in var.queues : "${key}-oldest-message" => {
      what       = "The oldest message of ${q.name} has waited for more than ${q.oldest_message_alarm_s} s."
      severity   = "page", runbook = q.oldest_message_runbook
      namespace  = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", statistic = "Maximum"
      dimensions = { QueueName = q.name }
      period_s   = 300, periods = 2, threshold = q.oldest_message_alarm_s, comparison = "GreaterThanThreshold", missing = "notBreaching"
    } if local.full
  }
  own_alarms = {
    for key, m in var.metrics : key => {
      what       = m.what
      severity   = m.severity, runbook = m.runbook
      namespace  = "Souk", metric = m.metric, statistic = m.statistic
      dimensions = m.dimensions
      period_s   = 300, periods = 2, threshold = m.threshold, comparison = "GreaterThanThreshold", missing = "notBreaching"
    }
  }
  pulse_alarms = var.pulse == null ? {} : {
    pulse = {
      what       = "${var.pulse.function} has not run for 15 minutes: schedules are dead, and lost rings stay lost."
      severity   = "page", runbook = var.pulse.runbook
      namespace  = "AWS/Lambda", metric = "Invocations", statistic = "Sum"
      dimensions = { FunctionName = var.pulse.function }
      period_s   = 300, periods = 3, threshold = 1, comparison = "LessThanThreshold", missing = "breaching"
    }
  }
  api_alarms = !local.full ? {} : {
    latency = {
      what       = "One request in a hundred took more than ${var.slo.latency_p99_ms} ms."
      severity   = "ticket", runbook = "requests-slow"
      namespace  = "AWS/ApiGateway", metric = "Latency", statistic = "p99"
      dimensions = { ApiId = var.api.id }
      period_s   = 300, periods = 6, threshold = var.slo.latency_p99_ms, comparison = "GreaterThanThreshold", missing = "notBreaching"
    }
  }
  database_alarms = var.database == null ? {} : merge(
    !local.full ? {} : {
      database-capacity = {
        what       = "The database has used more than 90 % of its largest capacity, ${var.database.capacity_max_acu} ACU, for 15 minutes."
        severity   = "page", runbook = "database-at-its-limit"
        namespace  = "AWS/RDS", metric = "ACUUtilization", statistic = "Average"
        dimensions = { DBClusterIdentifier = var.database.name }
        period_s   = 300, periods = 3, threshold = 90, comparison = "GreaterThanThreshold", missing = "notBreaching"
      }
      database-deadlocks = {
        what       = "Transactions of the database wait for each other in a circle."
        severity   = "ticket", runbook = "database-deadlocks"
        namespace  = "AWS/RDS", metric = "Deadlocks", statistic = "Sum"
        dimensions = { DBClusterIdentifier = var.database.name }
        period_s   = 300, periods = 1, threshold = 0, comparison = "GreaterThanThreshold", missing = "notBreaching"
      }
    },
    !var.database.follows ? {} : {
      database-replication = {
        what       = "The database that stands by is more than 10 s behind: what would be lost with the other region grows."
        severity   = "page", runbook = "region-falls-behind"
        namespace  = "AWS/RDS", metric = "AuroraGlobalDBReplicationLag", statistic = "Maximum"
        dimensions = { DBClusterIdentifier = var.database.name }
        period_s   = 300, periods = 3, threshold = 10000, comparison = "GreaterThanThreshold", missing = "notBreaching"
      }
    },
  )
  canary_alarms = var.canary == null ? {} : {
    journey = {
      what       = "The order journey through the edge failed: buyers probably cannot buy."
      severity   = "page", runbook = "order-journey-fails"
      namespace  = "CloudWatchSynthetics", metric = "SuccessPercent", statistic = "Average"
      dimensions = { CanaryName = local.canary_name }
      period_s   = 300, periods = 3, threshold = 90, comparison = "LessThanThreshold", missing = "breaching"
    }
  }

  alarms = merge(
    local.error_alarms, local.throttle_alarms, local.duration_alarms, local.dead_letter_alarms, local.oldest_message_alarms,
    local.own_alarms, local.pulse_alarms, local.api_alarms, local.database_alarms, local.canary_alarms,
  )
}

resource "aws_sns_topic" "this" {
  for_each          = toset(["page", "ticket"])
  region            = var.location.region
  name              = "${var.name}-${each.key}"
  display_name      = "Souk ${each.key}"
  kms_master_key_id = var.kms_key_arn == null ? "alias/aws/sns" : var.kms_key_arn
}

resource "aws_sns_topic_policy" "this" {
  for_each = aws_sns_topic.this
  region   = var.location.region
  arn      = each.value.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Alarms"
      Effect    = "Allow"
      Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com", "costalerts.amazonaws.com", "backup.amazonaws.com"] }
      Action    = "sns:Publish"
      Resource  = "arn:aws:sns:${local.place}:${var.name}-${each.key}"
      Condition = { StringEquals = { "aws:SourceAccount" = var.location.account_id } }
    }]
  })
}

resource "aws_sns_topic_subscription" "mail" {
  for_each = merge([
    for severity in ["page", "ticket"] : {
      for address in var.subscribers[severity] : "${severity}:${address}" => { severity = severity, address = address }
    }
  ]...)
  region    = var.location.region
  topic_arn = aws_sns_topic.this[each.value.severity].arn
  protocol  = "email"
  endpoint  = each.value.address
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  region              = var.location.region
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.what} ${var.runbooks_url}/${each.value.runbook}.md"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  dimensions          = each.value.dimensions
  period              = each.value.period_s
  evaluation_periods  = each.value.periods
  threshold           = each.value.threshold
  comparison_operator = each.value.comparison
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.this[each.value.severity].arn]
  ok_actions          = [aws_sns_topic.this[each.value.severity].arn]
}

# Lines of level ERROR, which functions write without failing: a batch with one bad message succeeds.
resource "aws_cloudwatch_log_metric_filter" "errors" {
  for_each       = var.functions
  region         = var.location.region
  name           = "${var.name}-${each.key}-error-lines"
  log_group_name = each.value.log_group_name
  pattern        = "{ $.level = \"ERROR\" }"

  metric_transformation {
    namespace     = "Souk"
    name          = "ErrorLines-${each.value.name}"
    value         = "1"
    default_value = "0"
    unit          = "Count"
  }
}
