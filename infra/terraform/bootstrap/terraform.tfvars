region           = "eu-central-1"
artefact_regions = ["eu-central-1", "eu-west-1"]
repository       = "example/souk"
