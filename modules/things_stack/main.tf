# What is known of The Things Stack before anything is created: the addresses of its servers, the AWS account and frequency plans of the
# hosted one, the topic that it publishes below, and the application that functions call. Nothing is created here, and no provider is needed.

locals {
  # `http://` stays, for localhost; everything else becomes a URL with https.
  addresses = {
    for name, address in { cluster = var.cluster_address, identity_server = var.identity_server_address } :
    name => address == null ? null : lower(trimsuffix(trimprefix(address, "https://"), "/"))
  }
  urls = {
    for name, address in local.addresses :
    name => address == null ? null : startswith(address, "http://") ? address : "https://${address}"
  }

  # The hosted ones: The Things Stack Sandbox, and a tenant of The Things Stack Cloud.
  sandbox = can(regex("^(nam|sam|eu|af|as|au)[0-9]+\\.cloud\\.thethings\\.network(:443)?$", local.addresses.cluster))
  tenant  = try(regex("^([a-z][a-z0-9-]{2,})\\.(?:nam|sam|eu|af|as|au)[0-9]+\\.cloud\\.thethings\\.industries(?::443)?$", local.addresses.cluster)[0], null)

  # The hosted ones have their Identity Server in eu1, whatever the cluster.
  identity_server_url = (
    local.urls.identity_server != null ? local.urls.identity_server :
    local.sandbox ? "https://eu1.cloud.thethings.network" :
    local.tenant != null ? "https://${local.tenant}.eu1.cloud.thethings.industries" :
    local.urls.cluster
  )

  base_topic = "thethings/lorawan/${var.stack_name}"

  # What each call needs besides an address.
  access = {
    environment = merge(var.api_key.use.environment, var.ca_certificate == null ? {} : { CA_CERTIFICATE = trimspace(var.ca_certificate) })
    policy_json = var.api_key.use.policy_json
  }

  # As the closed integration has them; KR_920_923, which it names for ap-northeast-2, does not exist.
  frequency_plans = {
    af-south-1     = "EU_863_870_TTN"
    ap-east-1      = "AS_923_925"
    ap-northeast-1 = "AS_920_923"
    ap-northeast-2 = "KR_920_923_TTN"
    ap-south-1     = "IN_865_867"
    ap-southeast-1 = "AS_920_923"
    ap-southeast-2 = "AU_915_928_FSB_2"
    ca-central-1   = "US_902_928_FSB_2"
    eu-central-1   = "EU_863_870_TTN"
    eu-north-1     = "EU_863_870_TTN"
    eu-south-1     = "EU_863_870_TTN"
    eu-west-1      = "EU_863_870_TTN"
    eu-west-2      = "EU_863_870_TTN"
    eu-west-3      = "EU_863_870_TTN"
    me-south-1     = "EU_863_870_TTN"
    sa-east-1      = "AU_915_928_FSB_2"
    us-east-1      = "US_902_928_FSB_2"
    us-east-2      = "US_902_928_FSB_2"
    us-west-1      = "US_902_928_FSB_2"
    us-west-2      = "US_902_928_FSB_2"
  }
}
