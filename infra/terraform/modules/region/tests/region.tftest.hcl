mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }
}

variables {
  name     = "souk-test"
  location = { region = "eu-central-1", account_id = "123456789012" }
  active   = true
  spec = {
    queues = {
      doorbell = { fifo = false, receives_max = 5, visibility_timeout_s = 180, retention_s = 3600, dead_letter_retention_s = 1209600, oldest_message_alarm_s = 300, oldest_message_runbook = "queue-falls-behind", dead_letters_runbook = "doorbell-dead-letters" }
      webhooks = { fifo = true, receives_max = 5, visibility_timeout_s = 360, retention_s = 1209600, dead_letter_retention_s = 1209600, oldest_message_alarm_s = 900, oldest_message_runbook = "queue-falls-behind", dead_letters_runbook = "dead-letters" }
    }
    schedules = {
      outbox-sweep = { function = "outbox-relay", rate = "rate(1 minute)" }
      webhooks-due = { function = "webhooks", rate = "rate(1 minute)" }
    }
    consumers = {
      outbox-relay = { queue = "doorbell", batch_size = 10, concurrency_max = 2 }
      webhooks     = { queue = "webhooks", batch_size = 10, concurrency_max = null }
    }
    functions = {
      outbox-relay = { what = "relay", timeout_s = 30, memory_mib = 256, egress = ["database"], http = false, dead_letters = "doorbell", runbook = "function-errors", variables = { SOUK_SHARDS = "shards.relay", SOUK_EVENT_QUEUES = "event_queues" } }
      webhooks     = { what = "hooks", timeout_s = 60, memory_mib = 256, egress = ["database", "internet"], http = true, dead_letters = "webhooks", runbook = "function-errors", variables = { SOUK_SHARDS = "shards.app" } }
    }
    routes = { "$default" = "webhooks" }
  }
  values = {
    "shards.relay" = { text = "relay's", arns = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:souk-test/db-relay-??????"] }
    "shards.app"   = { text = "app's", arns = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:souk-test/db-app-??????"] }
  }
  artefacts          = { bucket = "artefacts", version = "v1" }
  kms                = { arn = "arn:aws:kms:eu-central-1:123456789012:key/k", alias = "alias/souk-test" }
  log_retention_days = 30
  throttling         = { rate = 10, burst = 20 }
  alarms             = { detail = "full", runbooks_url = "https://runbooks.example", page = [], ticket = [] }
  slo                = { availability_percent = 99.9, latency_p99_ms = 2500 }
  strategy           = { percent = 10, minutes = 5 }
}

run "everything_of_the_file_is_there" {
  command = plan
  assert {
    condition     = toset(keys(output.functions)) == toset(["outbox-relay", "webhooks"]) && toset(keys(output.queues)) == toset(["doorbell", "webhooks"])
    error_message = "something of infra/souk.json is missing"
  }
  assert {
    condition     = output.queues["webhooks"].dead_letter_name == "souk-test-webhooks-dlq.fifo"
    error_message = "another name than elsewhere"
  }
}

run "who_needs_the_internet_and_has_none_is_told" {
  command = plan
  variables {
    vpc = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"], reaches_internet = false, dual_stack = false }
  }
  expect_failures = [output.functions]
}

run "a_deployment_asks_before_it_moves_traffic" {
  command = plan
  variables {
    spec = {
      queues    = { doorbell = { fifo = false, receives_max = 5, visibility_timeout_s = 180, retention_s = 3600, dead_letter_retention_s = 1209600, oldest_message_alarm_s = 300, oldest_message_runbook = "queue-falls-behind", dead_letters_runbook = "doorbell-dead-letters" } }
      schedules = { outbox-sweep = { function = "outbox-relay", rate = "rate(1 minute)" } }
      consumers = { outbox-relay = { queue = "doorbell", batch_size = 10, concurrency_max = 2 } }
      functions = {
        outbox-relay = { what = "relay", timeout_s = 30, memory_mib = 256, egress = ["database"], http = true, dead_letters = "doorbell", runbook = "function-errors", variables = { SOUK_SHARDS = "shards.relay" } }
        pre-traffic  = { what = "hook", timeout_s = 120, memory_mib = 256, egress = ["internet"], http = false, dead_letters = "none: silence is a no", runbook = "pre-traffic-refused", variables = {} }
      }
      routes = { "$default" = "outbox-relay" }
    }
    vpc = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"], reaches_internet = false, dual_stack = false }
  }
  assert {
    condition     = output.delivery_hook == "souk-test-pre-traffic"
    error_message = "a new version gets traffic that nobody has looked at"
  }
}
