"""Where the action of a topic rule delivers: a queue or a stream, to which a message is delivered in its place."""

from typing import Any

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import translate_errors
from thingbridge.errors import Refused


class RuleTarget:
    """The queue or stream of one rule whose action selects `*`. Every method raises Busy, Misconfigured or Refused."""

    def __init__(self, clients: Clients, rule_name: str) -> None:
        self._clients, self._rule_name = clients, rule_name
        self._action: dict[str, Any] | None = None

    def deliver(self, topic: str, published: bytes) -> None:
        """Deliver what was published on a topic. Raises Refused when the rule has another kind of action."""
        with translate_errors(f"deliver a message of the rule {self._rule_name}"):
            match self._read():
                case {"sqs": {"queueUrl": str(url)}}:
                    self._clients("sqs").send_message(QueueUrl=url, MessageBody=published.decode())
                case {"kinesis": {"streamName": str(name)}}:
                    # One device, one partition, as the rule has it: its name is the last level of the topic.
                    key = topic.rpartition("/")[2]
                    self._clients("kinesis").put_record(StreamName=name, Data=published, PartitionKey=key)
                case {"firehose": {"deliveryStreamName": str(name)}}:
                    record = {"Data": published + b"\n"}
                    self._clients("firehose").put_record(DeliveryStreamName=name, Record=record)
                case _:
                    raise Refused(f"the rule {self._rule_name} delivers to no queue and no stream")

    def _read(self) -> dict[str, Any]:
        if self._action is None:
            rule = self._clients("iot").get_topic_rule(ruleName=self._rule_name)["rule"]
            self._action = dict(next(iter(rule["actions"]), {}))
        return self._action
