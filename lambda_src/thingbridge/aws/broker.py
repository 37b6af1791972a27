"""AWS IoT's message broker: publishing on a topic over HTTPS."""

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import translate_errors


class Broker:
    """The broker of the account."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1. Raises Busy, Misconfigured or Refused."""
        with translate_errors(f"publish on {topic}"):
            self._clients("iot-data").publish(topic=topic, qos=1, payload=payload)
