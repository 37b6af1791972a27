# What senders and readers refer to.

output "dead_letter_queue" {
  description = "Queue of the messages that failed three times: its ARN, name and URL."
  value = {
    arn  = aws_sqs_queue.dead_letters.arn
    name = aws_sqs_queue.dead_letters.name
    url  = aws_sqs_queue.dead_letters.url
  }
}

output "queue" {
  description = "The queue: its ARN, name and URL. A message {\"start\": …} in the group sync starts a run by hand."
  value = {
    arn  = aws_sqs_queue.this.arn
    name = aws_sqs_queue.this.name
    url  = aws_sqs_queue.this.url
  }
}

output "static_arn" {
  description = "ARN of the queue as its name gives it: for the rights of the function, which must be there before the mapping."
  value       = local.arn
}
