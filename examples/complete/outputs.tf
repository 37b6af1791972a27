# What is told to the people who run the cluster, and what operations watch.

output "things_stack" {
  description = "What the administrators of lorawan.example.com need: the role to assume, the external id to show, and the topics."
  value = {
    external_id = module.vineyard.external_id
    role_arn    = module.vineyard.cross_account_role_arn
    topics      = module.vineyard.topics.inbound
  }
}

output "watch" {
  description = "Queues that are empty when all is well, and logs to look into when not."
  value = {
    greenhouse = { log = module.greenhouse.things_log_group_name, queues = module.greenhouse.queue_urls }
    vineyard   = { log = module.vineyard.things_log_group_name, queues = module.vineyard.queue_urls }
  }
}
