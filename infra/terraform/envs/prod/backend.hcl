# As bootstrap's outputs say.
bucket     = "souk-state-123456789012"
key        = "prod.tfstate"
region     = "eu-central-1"
kms_key_id = "arn:aws:kms:eu-central-1:123456789012:alias/souk-state"
