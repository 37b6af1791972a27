"""The receiver of mode `webhook`: what The Things Stack posts is published unchanged, on the topic of the other modes.

Behind that topic everything is the same for every mode: the rule, the flow `upstream`, its retries and its failure
queue. So the answer is 2xx only once AWS IoT has the message.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from thingbridge.aws.broker import Broker
from thingbridge.aws.secrets import Secrets
from thingbridge.diagnostics import emit
from thingbridge.errors import Busy, Misconfigured, Refused
from thingbridge.messaging.topics import basic_ingest
from thingbridge.messaging.webhook import Publication, Request, admit

READ_AGAIN_AFTER: Final = 1.0
"""Seconds: after a wrong secret, the right one is read again at most this often, however many requests arrive."""

OVERLAP: Final = 900.0
"""Seconds for which the secret before a rotation is accepted as well: The Things Stack shows it until the apply that
rotates has configured the new one, and posts no message twice. No apply waits longer for The Things Stack."""


@dataclass(frozen=True)
class Receiver:
    """The flow of a posted message. `basic_ingest_rule`: the rule that it starts directly; None: by the broker."""

    stack_name: str
    secret_arn: str
    secrets: Secrets
    broker: Broker
    basic_ingest_rule: str | None = None

    def handle(self, event: dict[str, Any]) -> dict[str, Any]:
        """Handle a function URL's event; returns its answer, a status without a body, whatever happens."""
        request = Request.read(event)
        try:
            if not self._is_authorized(request):
                return _answer(HTTPStatus.UNAUTHORIZED)
            admitted = admit(request, self.stack_name)
            if not isinstance(admitted, Publication):
                emit("WARN", "webhook_rejected", status=int(admitted.status), reason=admitted.reason)
                return _answer(admitted.status)
            topic = basic_ingest(rule, admitted.topic) if (rule := self.basic_ingest_rule) else admitted.topic
            self.broker.publish(topic, admitted.payload)
        except (Busy, Misconfigured) as error:
            emit("ERROR", "webhook_not_published", reason=str(error))
            return _answer(HTTPStatus.SERVICE_UNAVAILABLE)
        except Refused as error:
            emit("ERROR", "webhook_refused", reason=str(error))
            return _answer(HTTPStatus.BAD_GATEWAY)
        return _answer(HTTPStatus.NO_CONTENT)

    def _is_authorized(self, request: Request) -> bool:
        if request.has_secret(self.secrets.read(self.secret_arn)):
            return True
        if request.has_secret(self.secrets.read(self.secret_arn, max_age=READ_AGAIN_AFTER)):
            return True
        previous = self.secrets.read_previous(self.secret_arn, OVERLAP)
        return previous is not None and request.has_secret(previous)


def _answer(status: HTTPStatus) -> dict[str, Any]:
    return {"statusCode": int(status), "body": ""}
