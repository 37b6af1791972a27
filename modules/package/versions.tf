# What this module needs to run: Terraform alone (terraform_data is built in), python3 with pip where it applies.

terraform {
  required_version = ">= 1.11"
}
