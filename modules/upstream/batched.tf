# With mode "batched": a queue between the rule and the function. A burst waits there, and no more invocations than are permitted work on it.

locals {
  batched = var.mode == "batched"

  # A message takes about 20 ms, and up to 10 seconds if AWS does not answer.
  batch_timeout = 60
}

# A policy of its own, not among those of the function: it ends with the queue, which the function empties when the mode changes.
resource "aws_iam_role_policy" "batched" {
  count = local.batched ? 1 : 0

  name   = "queue"
  role   = module.function.role_name
  policy = module.queue[0].work.policy_json
}

module "queue" {
  source = "../work_queue"
  count  = local.batched ? 1 : 0

  name                 = "${var.stack.name}-upstream"
  function_arn         = one([for rights in aws_iam_role_policy.batched : module.function.arn])
  function_timeout     = local.batch_timeout
  batch_size           = var.batches.size
  maximum_concurrency  = var.batches.maximum_concurrency
  longest_wait_seconds = 900
  alarms               = var.alarms
  aws                  = var.aws
  tags                 = var.tags

  maximum_batching_window_in_seconds = var.batches.window_seconds
}
