# The way back from the modes "batched" and "rules": what only they need is deleted once the rule has taken its new way and nothing is left on
# the former one. The function configure waits for that when such an invocation is destroyed, and refuses while messages wait. The rule takes
# its target through the invocation, so Terraform updates the rule first; the invocation depends on what it guards, which is deleted last.

locals {
  drained = var.configure != null && var.mode != "function" ? toset([var.mode]) : toset([])

  # What the rule sends to. Through the invocation, if there is one.
  queue = one([for queue in module.queue : {
    arn = queue.queue.arn
    url = try(jsondecode(aws_lambda_invocation.drain["batched"].input).queue_url, queue.queue.url)
  }])
  others_filter = one([for rule in module.others : try(jsondecode(aws_lambda_invocation.drain["rules"].input).topic_filter, rule.topic_filter)])
}

resource "aws_iam_role_policy" "drain" {
  for_each = var.mode == "batched" ? local.drained : []

  name   = "drain-upstream"
  role   = var.configure.role_name
  policy = data.aws_iam_policy_document.drain[each.key].json
}

data "aws_iam_policy_document" "drain" {
  for_each = var.mode == "batched" ? local.drained : []

  statement {
    sid       = "SeeWhatWaits"
    actions   = ["sqs:GetQueueAttributes"]
    resources = [module.queue[0].queue.arn, module.queue[0].dead_letter_queue.arn]
  }
}

resource "aws_lambda_invocation" "drain" {
  for_each = local.drained

  function_name   = var.configure.function_name
  lifecycle_scope = "CRUD"

  input = jsonencode({
    resource     = "drain"
    queue_url    = one(module.queue[*].queue.url)
    failures_url = one(module.queue[*].dead_letter_queue.url)
    topic_filter = one(module.others[*].topic_filter)
    handled_by   = one(module.queue[*].mapping_arn) # deleted after this as well, so that the function empties the queue
  })

  depends_on = [aws_iam_role_policy.drain]

  # Without it, Terraform would destroy this, and what it guards, before it updates the rule.
  lifecycle {
    create_before_destroy = true
  }
}
