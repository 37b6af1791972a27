# Two stacks in one account, each with its own application: one on a self-hosted cluster, with every variable set, and one beside it
# that leaves to the first what an account has only once.

module "vineyard" {
  source = "../.."

  stack_name                     = "vineyard"
  cluster_address                = "https://lorawan.example.com:8443"
  identity_server_address        = "https://identity.example.com"
  cluster_ca_certificate         = file("${path.module}/authority.pem")
  application_id                 = "vineyard-sensors"
  application_api_key_secret_arn = var.vineyard_api_key_secret_arn
  application_api_key_version    = 2

  thing_type_name   = "lorawan-device"
  create_thing_type = true
  thing_name_scheme = "DeviceID"
  shadow            = { metrics = false, decoded_payload = true, delta_f_port = 10 }

  ingest             = { mode = "manual", client_id_pattern = "vineyard-*" }
  trusted_account_id = "123456789012"
  external_id        = "vineyard-7f3a9c"

  default_frequency_plan_id = "EU_863_870"
  on_thing_deleted          = "retain"
  scrub_keys                = true
  enable_registry_events    = true
  registry_sync             = { mode = "report", schedule = "cron(0 * * * ? *)" }

  # Beside the devices of The Things Stack: sensors in the cellar that connect to AWS IoT Core themselves.
  devices = {
    locations = ["cellar-1", "cellar-2"]

    types = {
      temperature = {
        description         = "Temperature sensor"
        initial_shadow_json = jsonencode({ desired = { temperature_threshold = 75, reporting_interval = 60, active = true, alert_enabled = true } })
      }
      pressure = {
        searchable_attributes = ["location", "model"]
      }
    }

    telemetry = {
      types = {
        temperature = {
          fields = {
            temperature = { minimum = -50, maximum = 150, unit = "°C", required = true, hysteresis = 0.5, levels = [{ name = "HIGH", above = 16 }] }
          }
        }
      }
    }
  }

  observability = {
    emails          = ["oncall@example.com"]
    silence_minutes = 60
    device_silence  = { minutes = 1440, tolerated = 5 }
  }

  functions = {
    architecture          = "x86_64"
    log_level             = "DEBUG"
    log_retention_in_days = 90
    memory_size           = 256
    runtime               = "python3.12"
    tracing               = "Active"

    # Signed by your pipeline, and run where your own cluster is reached.
    code_signing_config_arn = "arn:aws:lambda:eu-west-1:123456789012:code-signing-config:csc-0f1e2d3c4b5a69788"
    vpc = {
      security_group_ids = ["sg-0f1e2d3c4b5a69788"]
      subnet_ids         = ["subnet-0f1e2d3c4b5a69788", "subnet-0f1e2d3c4b5a69789"]
    }
  }

  kms_key = { arn = aws_kms_key.vineyard.arn }

  roles = {
    path                     = "/thingbridge/"
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/workloads"
  }

  things_log_retention_in_days = 365

  package = {
    s3 = {
      bucket         = "example-artifacts"
      key            = "thingbridge/functions.zip"
      object_version = "3HL4kqtJvjVBH40Nrjfkd"
    }
  }

  tags = {
    Project = "vineyard"
  }
}

module "greenhouse" {
  source = "../.."

  stack_name          = "greenhouse"
  cluster_address     = "growers.eu1.cloud.thethings.industries"
  application_id      = "greenhouse-sensors"
  application_api_key = var.greenhouse_api_key
  shadow              = { min_interval_seconds = 300 }
  codecs              = { source_path = "${path.module}/codecs" }

  ingest = { mode = "webhook", webhook = { reserved_concurrency = 20 } }

  # The first stack creates the type and switches on the events; both share them.
  thing_type_name        = module.vineyard.thing_type_name
  create_thing_type      = false
  enable_registry_events = false

  # The Things Stack carries the measurements of greenhouses, and can't read them.
  end_to_end_encryption = true
}
