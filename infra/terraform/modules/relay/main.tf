module "doorbell" {
  source               = "../queue"
  name                 = "${var.name}-doorbell"
  location             = var.location
  visibility_timeout_s = var.doorbell.visibility_timeout_s
  retention_s          = var.doorbell.retention_s
  kms_key_arn          = var.kms_key_arn
  dead_letters = {
    receives_max = var.doorbell.receives_max
    retention_s  = var.doorbell.dead_letter_retention_s
  }
}

module "rings" {
  source          = "../consumer"
  location        = var.location
  queue           = module.doorbell
  function        = var.function
  batch_size      = var.doorbell.batch_size
  concurrency_max = var.doorbell.concurrency_max
  enabled         = var.enabled
}

module "sweep" {
  source   = "../schedule"
  name     = "${var.name}-${var.sweep.name}"
  location = var.location
  rate     = var.sweep.rate
  function = var.function
  enabled  = var.enabled
}
