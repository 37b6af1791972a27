"""AWS IoT's message broker: publishing on a topic over HTTPS."""

from collections.abc import Iterator
from contextlib import contextmanager

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

    @contextmanager
    def publishing(self, topic: str, payload: bytes) -> Iterator[None]:
        """Publish as `publish` does, while the block runs: the answer is awaited, and its error raised, at its end.

        boto3 has no such call: where it makes all calls, the block begins after the answer.
        """
        client, what = self._clients("iot-data"), f"publish on {topic}"
        request = {"topic": topic, "qos": 1, "payload": payload}
        begin = getattr(client, "begin_publish", None)
        with translate_errors(what):
            await_answer = begin(**request) if begin else client.publish(**request)
        try:
            yield
        finally:
            if begin:
                with translate_errors(what):
                    await_answer()
