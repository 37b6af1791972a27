"""Amazon SNS: notifications on one topic. Their content is up to the sender."""

from collections.abc import Mapping

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import translate_errors


class Notifications:
    """One topic by its ARN. A FIFO topic drops a notification that is repeated within five minutes."""

    def __init__(self, clients: Clients, topic_arn: str) -> None:
        self._clients, self._topic_arn = clients, topic_arn

    def publish(
        self, subject: str, body: str, attributes: Mapping[str, str], *, group: str, deduplication_id: str
    ) -> None:
        """Publish a notification; `group` orders those of a FIFO topic. Raises Busy or Misconfigured."""
        in_order = {"MessageGroupId": group, "MessageDeduplicationId": deduplication_id}
        with translate_errors("publish a notification"):
            self._clients("sns").publish(
                TopicArn=self._topic_arn,
                Subject=subject,
                Message=body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
                **(in_order if self._topic_arn.endswith(".fifo") else {}),
            )
