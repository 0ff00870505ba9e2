locals {
  # A widget is a title, a statistic and lines: namespace, metric, dimension, value.
  widgets = concat(
    [
      { title = "Requests, and those that failed", stat = "Sum", lines = [
        ["AWS/ApiGateway", "Count", "ApiId", var.api.id],
        ["AWS/ApiGateway", "4xx", "ApiId", var.api.id],
        ["AWS/ApiGateway", "5xx", "ApiId", var.api.id],
      ] },
      { title = "Time to answer, p99", stat = "p99", lines = [["AWS/ApiGateway", "Latency", "ApiId", var.api.id]] },
      { title = "Errors of functions", stat = "Sum", lines = [for f in var.functions : ["AWS/Lambda", "Errors", "FunctionName", f.name]] },
      { title = "Duration of functions, p99", stat = "p99", lines = [for f in var.functions : ["AWS/Lambda", "Duration", "FunctionName", f.name]] },
      { title = "Invocations at the same time", stat = "Maximum", lines = [for f in var.functions : ["AWS/Lambda", "ConcurrentExecutions", "FunctionName", f.name]] },
      { title = "Age of the oldest message", stat = "Maximum", lines = [for q in var.queues : ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", q.name]] },
      { title = "Dead letters", stat = "Maximum", lines = [for q in var.queues : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", q.dead_letter_name]] },
    ],
    [for key, m in var.metrics : { title = m.what, stat = m.statistic, lines = [concat(["Souk", m.metric], flatten([for d, v in m.dimensions : [d, v]]))] }],
    var.database == null ? [] : [
      { title = "Capacity of the database, ACU", stat = "Maximum", lines = [["AWS/RDS", "ServerlessDatabaseCapacity", "DBClusterIdentifier", var.database.name]] },
      { title = "Sessions of the database", stat = "Maximum", lines = [["AWS/RDS", "DatabaseConnections", "DBClusterIdentifier", var.database.name]] },
    ],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  region         = var.location.region
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [
      for index, w in local.widgets : {
        type   = "metric"
        x      = (index % 2) * 12
        y      = floor(index / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = w.title
          region  = var.location.region
          stat    = w.stat
          period  = 300
          view    = "timeSeries"
          metrics = w.lines
        }
      }
    ]
  })
}
