"""Opens a session with The Things Stack within an invocation: the key from its secret, the time from the context."""

from typing import Protocol

from thingbridge.aws_iot.secrets import secret
from thingbridge.settings import ThingsStackSettings
from thingbridge.things_stack.client import ThingsStack


class LambdaContext(Protocol):
    """The part of Lambda's context object that the functions use."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the invocation."""


def open_session(settings: ThingsStackSettings, context: LambdaContext) -> ThingsStack:
    """A client for the stack's application that gives up before the invocation ends."""
    return ThingsStack(
        cluster_address=settings.cluster_address,
        identity_server_address=settings.identity_server_address,
        application_id=settings.application_id,
        api_key=lambda refresh: secret(settings.api_key_secret_arn, refresh=refresh),
        remaining_seconds=lambda: context.get_remaining_time_in_millis() / 1000,
    )
