# Downlinks that The Things Stack returns, to be encrypted again: the rules that read them, their queue, the function that works on
# it, and its rights.

locals {
  iot_arn         = "arn:${var.aws.partition}:iot:${var.aws.region}:${var.aws.account_id}"
  requeue_timeout = 30

  requeue_rules = {
    evicted = {
      event       = "downlink/invalidated"
      where       = "NOT isUndefined(downlink_queue_invalidated.downlinks)"
      description = "a queue whose frame counters were used"
    }
    join = {
      event       = "join"
      where       = "NOT isUndefined(join_accept.invalidated_downlinks)"
      description = "the queue of the session before a join"
    }
    nack = {
      event       = "downlink/nack"
      where       = null
      description = "a confirmed downlink that was not acknowledged"
    }
  }
}

module "requeue" {
  source = "../function"

  name        = "${var.stack.name}-requeue"
  description = "Encrypts downlinks again that The Things Stack returned: after a join, a used counter, a missing acknowledgement"
  handler     = "handlers.requeue.handler"
  timeout     = local.requeue_timeout
  functions   = var.functions
  layer_arns  = local.layer_arns
  policy_json = data.aws_iam_policy_document.requeue.json
  alarms      = var.alarms
  aws         = var.aws
  tags        = var.tags

  environment = {
    STACK_NAME        = var.stack.name
    THING_NAME_SCHEME = var.stack.thing_name_scheme
    THING_TYPE_NAME   = var.stack.thing_type_name
  }

  uses = {
    end_to_end_encryption = local.downlinks
    queue                 = module.requeue_queue.work
    things_log            = var.things_log
    things_stack          = var.things_stack.use
  }
}

module "requeue_queue" {
  source = "../work_queue"

  name                  = "${var.stack.name}-requeue"
  function_arn          = module.requeue.arn
  function_timeout      = local.requeue_timeout
  batch_size            = 1
  maximum_concurrency   = 10
  longest_wait_seconds  = 90000 # beyond the day of attempts
  maximum_receive_count = 484   # a day of attempts, the last ones every 180 seconds: a device that joined again may take as long to send
  alarms                = var.alarms
  aws                   = var.aws
  tags                  = var.tags
}

module "requeue_rules" {
  source   = "../topic_rule"
  for_each = local.requeue_rules

  name         = "${var.stack.name}-requeue_${each.key}"
  description  = "Downlinks to be encrypted again: ${each.value.description}"
  topic_filter = "${var.base_topic}/${each.value.event}"
  where        = each.value.where
  action       = { queue = module.requeue_queue.queue }
  error_queue  = module.requeue_queue.dead_letter_queue
  alarms       = var.alarms
  aws          = var.aws
  tags         = var.tags
}

# To record in the log of the thing what could not be queued again.
data "aws_iam_policy_document" "requeue" {
  # ListThings has no resource level in IAM.
  statement {
    sid       = "FindThings"
    actions   = ["iot:ListThings"]
    resources = ["*"]
  }

  statement {
    sid       = "ReadThings"
    actions   = ["iot:DescribeThing"]
    resources = ["${local.iot_arn}:thing/*"]
  }
}
