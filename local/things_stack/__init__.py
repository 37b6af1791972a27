"""A simulated Things Stack: the HTTP API, the LoRaWAN network and the AWS IoT pub/sub integration, in memory."""

from local.things_stack.aws_access import AwsAccess, foreign_account_credentials
from local.things_stack.network import Dropped
from local.things_stack.simulation import ThingsStack

__all__ = ["AwsAccess", "Dropped", "ThingsStack", "foreign_account_credentials"]
