output "rings" {
  description = "For each ring: the text of its environment variable, which names secrets and holds none, and the id of the key to sign with."
  value = {
    for ring, settings in var.keys : ring => {
      text = jsonencode({
        for slot in ["a", "b"] : local.slots["${ring}-${slot}"].id => "{{secret:${var.name}/${ring}-${slot}}}"
      })
      current_id = local.slots["${ring}-${settings.current}"].id
      # How those who read the ring are allowed to: Secrets Manager adds six characters to a name.
      arns = [for slot in ["a", "b"] : "${local.secret_arn}:${var.name}/${ring}-${slot}-??????"]
    }
  }
}

output "rotated" {
  description = "For each ring that a function rotates: the text of its environment variable, the name of its secret, and what to allow."
  value = {
    for ring in var.rotated : ring => {
      text = "{{secret:${var.name}/${ring}-ring}}"
      name = "${var.name}/${ring}-ring"
      arns = ["${local.secret_arn}:${var.name}/${ring}-ring-??????"]
    }
  }
}

output "entrusted" {
  description = "For each secret that people put in: the text of an environment variable that is it, and what to allow."
  value = {
    for name, what in var.entrusted : name => {
      text = "{{secret:${var.name}/${name}}}"
      name = "${var.name}/${name}"
      arns = ["${local.secret_arn}:${var.name}/${name}-??????"]
    }
  }
}
