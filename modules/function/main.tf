# One Lambda function with its log group, its role, and a queue for the events that it failed on. What invokes the function, and
# the code that it runs, are not created here.

locals {
  # Computed, not read: what invokes the function and what the function may do can refer to each other, and the function does not
  # wait for its queue, which takes longest to create.
  arn               = "arn:${var.aws.partition}:lambda:${var.aws.region}:${var.aws.account_id}:function:${var.name}"
  log_group_arn     = "arn:${var.aws.partition}:logs:${var.aws.region}:${var.aws.account_id}:log-group:/aws/lambda/${var.name}"
  failure_queue_arn = "arn:${var.aws.partition}:sqs:${var.aws.region}:${var.aws.account_id}:${var.name}-failures"

  # Roles belong to the account, not to a region. AWS takes 64 characters, and does not distinguish names by case: with a capital, the name has
  # a digest, so that the stacks farm and Farm have roles of their own. So has one with a path: where another path replaces a role, the new
  # one may come first (create_before_destroy of what waits for a function), and the account takes each name once, whatever the path.
  role_wanted = "${var.name}-${var.aws.region}"
  role_plain  = var.aws.roles.path == "/" && length(local.role_wanted) <= 64 && local.role_wanted == lower(local.role_wanted)
  role_digest = substr(sha256("${trimprefix(var.aws.roles.path, "/")}${var.name}"), 0, 8)
  role_name   = local.role_plain ? local.role_wanted : "${substr(var.name, 0, 54 - length(var.aws.region))}-${local.role_digest}-${var.aws.region}"

  keeps_failures = var.asynchronous_invocation != null
  uses           = [for use in values(var.uses) : use if use != null]
}

# Before the function, or its first line would create a group without retention.
resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_158: CloudWatch Logs encrypts with a key of its own; kms_key names yours
  # checkov:skip=CKV_AWS_338: how long logs are kept is the user's decision and cost, functions.log_retention_in_days

  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.functions.log_retention_in_days
  kms_key_id        = one(var.aws.kms_key[*].arn)
  tags              = var.tags
}

resource "aws_sqs_queue" "failures" {
  count = local.keeps_failures ? 1 : 0

  name                      = "${var.name}-failures"
  message_retention_seconds = var.asynchronous_invocation.failure_retention_in_days * 86400
  sqs_managed_sse_enabled   = var.aws.kms_key == null ? true : null
  kms_master_key_id         = one(var.aws.kms_key[*].arn)
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
  name                 = local.role_name
  path                 = var.aws.roles.path
  description          = "Role of the function ${var.name}"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.aws.roles.permissions_boundary_arn
  tags                 = var.tags
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

  # SQS asks KMS in the name of who sends.
  dynamic "statement" {
    for_each = local.keeps_failures ? var.aws.kms_key[*].arn : []

    content {
      sid       = "UseKeyToKeepFailedEvents"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["sqs.${var.aws.region}.amazonaws.com*"]
      }
    }
  }

  # Lambda decrypts the environment of a new instance in the function's name.
  dynamic "statement" {
    for_each = var.aws.kms_key[*].arn

    content {
      sid       = "ReadOwnEnvironment"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:EncryptionContext:aws:lambda:FunctionArn"
        values   = [local.arn]
      }
    }
  }

  # No resource level in IAM, or none that is known before.
  dynamic "statement" {
    for_each = var.functions.vpc == null ? [] : ["*"]

    content {
      sid = "JoinNetwork"
      actions = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
      ]
      resources = [statement.value]
    }
  }

  # Those rights are for Lambda, which uses them in the function's name, and not for its code (developer guide, "Giving Lambda functions
  # access to resources in an Amazon VPC").
  dynamic "statement" {
    for_each = var.functions.vpc == null ? [] : ["*"]

    content {
      sid    = "KeepCodeFromNetwork"
      effect = "Deny"
      actions = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
      ]
      resources = [statement.value]

      condition {
        test     = "ArnEquals"
        variable = "lambda:SourceFunctionArn"
        values   = [local.arn]
      }
    }
  }

  # Neither has a resource level in IAM.
  dynamic "statement" {
    for_each = var.functions.tracing == "Active" ? ["*"] : []

    content {
      sid       = "SendTraces"
      actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
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

  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn
  handler       = var.handler
  runtime       = var.functions.runtime
  architectures = [var.functions.architecture]
  memory_size   = var.functions.memory_size
  timeout       = var.timeout
  layers        = var.layer_arns
  kms_key_arn   = one(var.aws.kms_key[*].arn)

  code_signing_config_arn        = var.functions.code_signing_config_arn
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
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.this.name

    # Not functions.log_level, by which the functions choose themselves what they print. Lambda takes a line without a time for INFO, errors
    # and metrics too: WARN would hide them. And DEBUG would have boto3 log what it sends and receives, secrets among it.
    application_log_level = "INFO"

    # Of each invocation, only failures: two entries of 0.4 KB for every success would cost as much as the invocation itself.
    system_log_level = var.functions.log_level == "DEBUG" ? "INFO" : "WARN"
  }

  tracing_config {
    mode = var.functions.tracing
  }

  dynamic "vpc_config" {
    for_each = var.functions.vpc[*]

    content {
      security_group_ids = vpc_config.value.security_group_ids
      subnet_ids         = vpc_config.value.subnet_ids
    }
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

# Lambda ends a function that has started itself 16 times through a queue, unless it may (developer guide, "Use Lambda recursive loop
# detection to prevent infinite loops").
resource "aws_lambda_function_recursion_config" "this" {
  count = var.starts_itself ? 1 : 0

  function_name  = aws_lambda_function.this.function_name
  recursive_loop = "Allow"
}
