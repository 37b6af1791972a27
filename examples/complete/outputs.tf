# What the people who run the cluster need, and what operations watch.

output "things_stack" {
  description = "Settings for the administrators of lorawan.example.com: the role to assume, the external id to show, and the topics."
  value = {
    external_id = module.vineyard.external_id
    role_arn    = module.vineyard.cross_account_role_arn
    topics      = module.vineyard.topics.inbound
  }
}

output "watch" {
  description = "Queues that are empty when all is well, and logs to read when they are not."
  value = {
    greenhouse = { log = module.greenhouse.things_log_group_name, queues = module.greenhouse.queue_urls }
    vineyard   = { log = module.vineyard.things_log_group_name, queues = module.vineyard.queue_urls }
  }
}
