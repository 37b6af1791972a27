# Old certificates of rotated devices, which end by themselves: the rule that reads connections, the function that ends certificates, the
# table of rotations that have not ended, and the schedule. Without end_old_certificates, none of these exists.

locals {
  ends_old_certificates = var.end_old_certificates != null

  rotations_timeout = 900 # the longest Lambda permits: a tick may find many devices whose date has passed

  rotations_failures = { for function in module.rotations_function : "rotations_failures" => {
    arn       = function.failure_queue.arn
    url       = function.failure_queue.url
    replay_to = { function_name = function.name, queue_url = null }
  } }
}

module "rotations_function" {
  source = "../function"
  count  = local.ends_old_certificates ? 1 : 0

  name                    = "${var.stack.name}-rotations"
  description             = "Ends the old certificates of rotated devices, once the new ones are used or on a date"
  handler                 = "handlers.rotations.handler"
  timeout                 = local.rotations_timeout
  asynchronous_invocation = {}
  alarms                  = var.alarms
  functions               = var.functions
  policy_json             = data.aws_iam_policy_document.rotations[0].json
  aws                     = var.aws
  tags                    = var.tags

  environment = {
    DEVICES         = local.admission
    END_AFTER_HOURS = tostring(var.end_old_certificates.after_hours)
    STACK_NAME      = var.stack.name
  }

  uses = {
    ended      = module.rotations[0].deletion
    rotations  = module.rotations[0].use
    things_log = var.things_log
  }
}

# No backup: what is lost here keeps an old certificate, which a person can end.
module "rotations" {
  source = "../table"
  count  = local.ends_old_certificates ? 1 : 0

  name     = "${var.stack.name}-rotations"
  hash_key = "thing"
  use      = { sid = "FollowRotations", environment_variable = "ROTATIONS_TABLE" }
  deletion = { sid = "ForgetRotations" }
  aws      = var.aws
  tags     = var.tags
}

# Presence events don't say which stack a device belongs to. Only a certificate has an id of 64 hexadecimal digits: what connects with
# credentials of IAM, such as an app, costs no invocation.
module "rotations_rule" {
  source = "../topic_rule"
  count  = local.ends_old_certificates ? 1 : 0

  name         = "${var.stack.name}-rotations"
  description  = "Connections of devices, which show that they use their new certificates"
  topic_filter = "$aws/events/presence/connected/+"
  select       = "topic() AS topic, encode(*, 'base64') AS payload"
  where        = "regexp_matches(principalIdentifier, '^[0-9a-f]{64}$')"
  action       = { function = { arn = module.rotations_function[0].arn } }
  error_queue  = module.rotations_function[0].failure_queue
  alarms       = var.alarms
  aws          = var.aws
  tags         = var.tags
}

module "rotations_schedule" {
  source = "../schedule"
  count  = local.ends_old_certificates ? 1 : 0

  name        = "${var.stack.name}-rotations"
  description = "Ends the old certificates that are due"
  expression  = "rate(1 hour)"
  input       = "{\"tick\": \"<aws.scheduler.scheduled-time>\"}" # not jsonencode, which writes the angle brackets as \u003c
  aws         = var.aws
  tags        = var.tags

  target = {
    arn = module.rotations_function[0].arn
    use = { policy_json = data.aws_iam_policy_document.rotations_tick[0].json }
  }
}

data "aws_iam_policy_document" "rotations_tick" {
  count = local.ends_old_certificates ? 1 : 0

  statement {
    sid       = "EndWhatIsDue"
    actions   = ["lambda:InvokeFunction"]
    resources = [module.rotations_function[0].static_arn]
  }
}

data "aws_iam_policy_document" "rotations" {
  count = local.ends_old_certificates ? 1 : 0

  statement {
    sid       = "ReadRotatedThings"
    actions   = ["iot:DescribeThing", "iot:ListThingPrincipals"]
    resources = ["${local.iot_arn}:thing/*"]
  }

  # A certificate's ARN holds its fingerprint, which is not known before it is created.
  statement {
    sid       = "EndOldCertificates"
    actions   = ["iot:AttachPolicy", "iot:DeleteCertificate", "iot:DescribeCertificate", "iot:DetachPolicy", "iot:UpdateCertificate"]
    resources = ["${local.iot_arn}:cert/*"]
  }

  # No resource level in IAM, or none that names the certificate. One that can't be deleted is attached again, inactive.
  statement {
    sid       = "DetachOldCertificates"
    actions   = ["iot:AttachThingPrincipal", "iot:DetachThingPrincipal", "iot:ListAttachedPolicies"]
    resources = ["*"]
  }

  statement {
    sid       = "FindWhatIsDue"
    actions   = ["dynamodb:Scan"]
    resources = [module.rotations[0].arn]
  }
}
