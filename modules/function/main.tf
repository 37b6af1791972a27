# One Lambda function with its log group, its role, and a queue for the events that it failed on. What invokes the function, and
# the code that it runs, are not created here.

locals {
  # Computed, not read: what invokes the function and what the function may do can refer to each other, and the function does not
  # wait for its queue, which takes longest to create.
  arn               = "arn:${var.aws.partition}:lambda:${var.aws.region}:${var.aws.account_id}:function:${var.name}"
  log_group_arn     = "arn:${var.aws.partition}:logs:${var.aws.region}:${var.aws.account_id}:log-group:/aws/lambda/${var.name}"
  failure_queue_arn = "arn:${var.aws.partition}:sqs:${var.aws.region}:${var.aws.account_id}:${var.name}-failures"

  # Roles belong to the account, not to a region. AWS takes 64 characters, and does not distinguish names by case: with a capital, the name has
  # a digest, so that the stacks farm and Farm have roles of their own.
  role_wanted = "${var.name}-${var.aws.region}"
  role_name   = length(local.role_wanted) <= 64 && local.role_wanted == lower(local.role_wanted) ? local.role_wanted : "${substr(var.name, 0, 54 - length(var.aws.region))}-${substr(sha256(var.name), 0, 8)}-${var.aws.region}"

  keeps_failures = var.asynchronous_invocation != null
  uses           = [for use in values(var.uses) : use if use != null]
}

# Before the function, or its first line would create a group without retention.
resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_158: CloudWatch Logs encrypts with a key of its own; kms_key_arn names yours
  # checkov:skip=CKV_AWS_338: how long logs are kept is the user's decision and cost, functions.log_retention_in_days

  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.functions.log_retention_in_days
  tags              = var.tags
}

resource "aws_sqs_queue" "failures" {
  count = local.keeps_failures ? 1 : 0

  name                      = "${var.name}-failures"
  message_retention_seconds = var.asynchronous_invocation.failure_retention_in_days * 86400
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "LambdaAssumes"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = local.role_name
  description        = "Role of the function ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

data "aws_iam_policy_document" "this" {
  source_policy_documents = concat(var.policy_json[*], local.uses[*].policy_json)

  statement {
    sid       = "WriteOwnLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.log_group_arn}:*"]
  }

  dynamic "statement" {
    for_each = local.keeps_failures ? [local.failure_queue_arn] : []

    content {
      sid       = "KeepFailedEvents"
      actions   = ["sqs:SendMessage"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "rights"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.this.json
}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_116: what fails goes to the on_failure destination below, which keeps the cause too, or back to the queue that it came from
  # checkov:skip=CKV_AWS_117: AWS and The Things Stack are reached by their public endpoints; functions.vpc puts the functions into a VPC
  # checkov:skip=CKV_AWS_272: a zip that is built by the apply is not signed; functions.code_signing_config_arn checks one that is
  # checkov:skip=CKV_AWS_50: each trace costs; functions.tracing switches them on

  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn
  handler       = var.handler
  runtime       = var.functions.runtime
  architectures = [var.functions.architecture]
  memory_size   = var.functions.memory_size
  timeout       = var.timeout
  layers        = var.layer_arns

  reserved_concurrent_executions = var.reserved_concurrency == null ? -1 : var.reserved_concurrency

  filename          = var.functions.code.filename
  s3_bucket         = var.functions.code.s3_bucket
  s3_key            = var.functions.code.s3_key
  s3_object_version = var.functions.code.s3_object_version
  source_code_hash  = var.functions.code.source_code_hash

  environment {
    variables = merge(concat([{ LOG_LEVEL = var.functions.log_level }, var.environment], local.uses[*].environment)...)
  }

  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.this.name
    application_log_level = var.functions.log_level

    # Of each invocation, only failures: two entries of 0.4 KB for every success would cost as much as the invocation itself.
    system_log_level = var.functions.log_level == "DEBUG" ? "INFO" : "WARN"
  }

  tags = var.tags

  # An invocation right after the creation must find its rights.
  depends_on = [aws_iam_role_policy.this]
}

resource "aws_lambda_function_event_invoke_config" "this" {
  count = local.keeps_failures ? 1 : 0

  function_name                = aws_lambda_function.this.function_name
  maximum_event_age_in_seconds = var.asynchronous_invocation.maximum_event_age_in_seconds
  maximum_retry_attempts       = var.asynchronous_invocation.maximum_retry_attempts

  destination_config {
    on_failure {
      destination = aws_sqs_queue.failures[0].arn
    }
  }
}
