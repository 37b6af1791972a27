"""A simulated Things Stack in memory: the HTTP API, the LoRaWAN network, and the integrations with AWS and webhooks."""

from local.things_stack.network.dropped import Dropped
from local.things_stack.providers.aws_access import AwsAccess, foreign_account_credentials
from local.things_stack.simulation import ThingsStack

__all__ = ["AwsAccess", "Dropped", "ThingsStack", "foreign_account_credentials"]
