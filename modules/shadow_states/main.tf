# The table in which the newest state of each shadow waits until it is written. What reads and writes it is not made here.

locals {
  # Computed: the rights of the functions name the table before it is there.
  arn = "arn:${var.aws.partition}:dynamodb:${var.aws.region}:${var.aws.account_id}:table/${var.name}"
}

# Encrypted by DynamoDB with a key of its own. No backup: a shadow has what the table lost as soon as its device sends.
resource "aws_dynamodb_table" "this" {
  name         = var.name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "thing"

  attribute {
    name = "thing"
    type = "S"
  }

  ttl {
    attribute_name = "expires"
    enabled        = true
  }

  tags = var.tags
}
