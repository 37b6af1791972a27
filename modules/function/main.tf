# One Lambda function with what it can't do without: its log group, its role, and a queue for the events it failed on.
# What calls the function and the code it runs are not made here.

locals {
  # Computed, not read: what calls the function and what the function may do can refer to each other, and the function
  # need not wait for its queue, which takes longest to make.
  arn               = "arn:${var.aws.partition}:lambda:${var.aws.region}:${var.aws.account_id}:function:${var.name}"
  log_group_arn     = "arn:${var.aws.partition}:logs:${var.aws.region}:${var.aws.account_id}:log-group:/aws/lambda/${var.name}"
  failure_queue_arn = "arn:${var.aws.partition}:sqs:${var.aws.region}:${var.aws.account_id}:${var.name}-failures"

  keeps_failures = var.asynchronous_invocation != null
}

# Before the function, or its first line would make a group that is never emptied.
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_in_days
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
  name               = var.name
  description        = "Role of the function ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

data "aws_iam_policy_document" "this" {
  source_policy_documents = var.policy_json[*]

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
  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn
  handler       = var.handler
  runtime       = var.runtime
  architectures = [var.architecture]
  memory_size   = var.memory_size
  timeout       = var.timeout
  layers        = var.layer_arns

  reserved_concurrent_executions = var.reserved_concurrency == null ? -1 : var.reserved_concurrency

  filename          = var.code.filename
  s3_bucket         = var.code.s3_bucket
  s3_key            = var.code.s3_key
  s3_object_version = var.code.s3_object_version
  source_code_hash  = var.code.source_code_hash

  environment {
    variables = var.environment
  }

  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.this.name
    application_log_level = var.log_level
    system_log_level      = "INFO"
  }

  tags = var.tags

  # A call that comes with the function must find its rights.
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
