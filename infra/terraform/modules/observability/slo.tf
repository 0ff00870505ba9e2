# Burn rates of the error budget, by the SRE Workbook: a share of the month's budget that is gone within a time. The second,
# short window makes the alarm end soon after the fault does.
locals {
  budget = (100 - var.slo.availability_percent) / 100
  burns = {
    fast   = { severity = "page", budget_share = 0.02, long_s = 3600, short_s = 300 }
    medium = { severity = "page", budget_share = 0.05, long_s = 21600, short_s = 1800 }
    slow   = { severity = "ticket", budget_share = 0.10, long_s = 86400, short_s = 7200 }
  }
  month_s = 30 * 86400
  windows = merge([
    for name, burn in local.burns : {
      for length in ["long", "short"] : "${name}-${length}" => {
        period_s = burn["${length}_s"]
        # How many times faster than allowed the budget burns when that share is gone after the long window.
        threshold = local.budget * burn.budget_share * local.month_s / burn.long_s
      }
    }
  ]...)
}

resource "aws_cloudwatch_metric_alarm" "burn" {
  for_each            = local.windows
  region              = var.location.region
  alarm_name          = "${var.name}-burn-${each.key}"
  alarm_description   = "A part of the alarm on the error budget; it wakes nobody. ${var.runbooks_url}/error-budget-burns.md"
  evaluation_periods  = 1
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "share"
    expression  = "IF(requests >= 20, faults / requests, 0)"
    label       = "share of requests that failed by a fault of ours"
    return_data = true
  }
  metric_query {
    id = "faults"
    metric {
      namespace   = "AWS/ApiGateway"
      metric_name = "5xx"
      period      = each.value.period_s
      stat        = "Sum"
      dimensions  = { ApiId = var.api.id }
    }
  }
  metric_query {
    id = "requests"
    metric {
      namespace   = "AWS/ApiGateway"
      metric_name = "Count"
      period      = each.value.period_s
      stat        = "Sum"
      dimensions  = { ApiId = var.api.id }
    }
  }
}

resource "aws_cloudwatch_composite_alarm" "burn" {
  for_each          = local.burns
  region            = var.location.region
  alarm_name        = "${var.name}-burn-${each.key}"
  alarm_description = "${each.value.budget_share * 100} % of the month's error budget were gone within ${each.value.long_s / 3600} h. ${var.runbooks_url}/error-budget-burns.md"
  alarm_rule        = "ALARM(\"${var.name}-burn-${each.key}-long\") AND ALARM(\"${var.name}-burn-${each.key}-short\")"
  alarm_actions     = [aws_sns_topic.this[each.value.severity].arn]
  ok_actions        = [aws_sns_topic.this[each.value.severity].arn]
  depends_on        = [aws_cloudwatch_metric_alarm.burn]
}
