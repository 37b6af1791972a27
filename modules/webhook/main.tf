# A public URL of a function, and the secret that its callers must show. The function is not made here; it checks the secret.

# Drawn when its version is written, for that write alone, and never in a plan or a state. uuid() takes its bits from the
# system's cryptographic source: two of them hold 244, and the hash keeps all of them.
resource "aws_secretsmanager_secret" "this" {
  name                    = var.secret_name
  description             = "Secret that callers of the webhook show"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_in_days
  tags                    = var.tags
}

resource "aws_secretsmanager_secret_version" "this" {
  secret_id                = aws_secretsmanager_secret.this.id
  secret_string_wo         = sha256("${uuid()}${uuid()}")
  secret_string_wo_version = var.secret_version
}

# The callers have no AWS credentials. The provider adds the first of the two permissions AWS asks for, InvokeFunctionUrl.
resource "aws_lambda_function_url" "this" {
  function_name      = var.function.name
  authorization_type = "NONE"
}

# The second, InvokeFunction, must hold for calls through the URL alone, or every AWS account could invoke the function with an
# event of its own making. The provider can say so from 6.28 on, and then adds it by itself; CloudFormation says it for all.
resource "aws_cloudformation_stack" "permission" {
  name = "${var.function.name}-url"

  template_body = jsonencode({
    Description = "Lets calls through its URL invoke the function ${var.function.name}"
    Resources = {
      InvokeThroughUrl = {
        Type = "AWS::Lambda::Permission"
        Properties = {
          FunctionName          = var.function.arn
          Action                = "lambda:InvokeFunction"
          Principal             = "*"
          InvokedViaFunctionUrl = true
        }
      }
    }
  })

  tags = var.tags

  depends_on = [aws_lambda_function_url.this]
}
