# The webhook: a function behind a public URL, the secret that callers of the URL must show, and the rights of both the function and
# configure.

module "webhook_secret" {
  source = "../secret"
  count  = local.by_webhook ? 1 : 0

  name           = "${var.stack.name}/WebhookSecret"
  description    = "Secret that callers of the webhook show"
  generate       = { hex_digits = 64 }
  secret_version = var.webhook.secret_version
  use            = { sid = "ReadWebhookSecret", environment_variable = "WEBHOOK_SECRET_ARN" }
  aws            = var.aws
  tags           = var.tags
}

module "webhook" {
  source = "../function"
  count  = local.by_webhook ? 1 : 0

  name                 = "${var.stack.name}-webhook"
  description          = "Takes what The Things Stack posts: checks the secret, publishes for the rule"
  handler              = "handlers.webhook.handler"
  timeout              = 10
  reserved_concurrency = var.webhook.reserved_concurrency
  functions            = var.functions
  policy_json          = data.aws_iam_policy_document.webhook[0].json
  uses                 = { secret = module.webhook_secret[0].use }
  alarms               = var.alarms
  aws                  = var.aws
  tags                 = var.tags

  # Not the application: an apply may name another one before The Things Stack is configured with it, so the URL does.
  environment = merge({
    IOT_ENDPOINT = var.iot_endpoint
    STACK_NAME   = var.stack.name
  }, var.basic_ingest ? { BASIC_INGEST_RULE = local.rule_name } : {})
}

data "aws_iam_policy_document" "webhook" {
  count = local.by_webhook ? 1 : 0

  statement {
    sid       = "PublishForTheRule"
    actions   = ["iot:Publish"]
    resources = local.topic_arns
  }
}

# The callers have no AWS credentials. The provider adds the first of the two permissions that AWS requires, InvokeFunctionUrl.
resource "aws_lambda_function_url" "webhook" {
  # checkov:skip=CKV_AWS_258: The Things Stack can't sign requests for AWS; the function compares the secret that each caller must show

  count = local.by_webhook ? 1 : 0

  function_name      = module.webhook[0].name
  authorization_type = "NONE"

  # When the mode changes, destroyed only once The Things Stack is configured with the new one, and with it the function and the secret.
  lifecycle {
    create_before_destroy = true
  }
}

# The second, InvokeFunction, must hold for calls through the URL alone, or every AWS account could invoke the function with an event of
# its choice. The provider supports this condition from 6.28 on, and then adds the permission by itself; CloudFormation covers all versions.
resource "aws_cloudformation_stack" "webhook_permission" {
  # checkov:skip=CKV_AWS_124: only Terraform changes this stack, and reports the outcome

  count = local.by_webhook ? 1 : 0

  name = "${module.webhook[0].name}-url"

  template_body = jsonencode({
    Description = "Lets calls through its URL invoke the function ${module.webhook[0].name}"
    Resources = {
      InvokeThroughUrl = {
        Type = "AWS::Lambda::Permission"
        Properties = {
          FunctionName          = module.webhook[0].arn
          Action                = "lambda:InvokeFunction"
          Principal             = "*"
          InvokedViaFunctionUrl = true
        }
      }
    }
  })

  tags = var.tags

  depends_on = [aws_lambda_function_url.webhook]

  lifecycle {
    create_before_destroy = true
  }
}

# Configure sends the secret to The Things Stack. A policy of its own: when the mode changes, it outlives the webhook at The Things Stack.
resource "aws_iam_role_policy" "configure_webhook" {
  count = local.by_webhook ? 1 : 0

  name   = "webhook"
  role   = var.configure_role_name
  policy = module.webhook_secret[0].use.policy_json

  lifecycle {
    create_before_destroy = true
  }
}
