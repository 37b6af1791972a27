"""Function `webhook`: what The Things Stack posts is published, unchanged, where the other ways in publish it.

Behind that topic everything is the same for every way in: the rule, the function `upstream`, its retries and its
queue for failures. So the answer is 2xx only once AWS IoT has the message.
"""

import os
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from thingbridge.aws_iot import data_plane
from thingbridge.aws_iot.secrets import secret
from thingbridge.diagnostics import emit
from thingbridge.errors import Busy, Misconfigured, Refused
from thingbridge.messaging.webhook import Publication, Request, admit
from thingbridge.settings import WebhookSettings

READ_AGAIN_AFTER: Final = 60.0
"""Seconds: a wrong secret has the right one read anew at most so often, whoever tries however many."""


@cache
def _settings() -> WebhookSettings:
    return WebhookSettings.read(os.environ)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Take a function URL's event, return its answer: a status and no body, whatever happens."""
    settings, request = _settings(), Request.read(event)
    try:
        if not _let_in(request, settings.webhook_secret_arn):
            return _answer(HTTPStatus.UNAUTHORIZED)
        admitted = admit(request, settings.stack_name, settings.application_id)
        if not isinstance(admitted, Publication):
            emit("WARN", "webhook_turned_away", status=int(admitted.status), reason=admitted.reason)
            return _answer(admitted.status)
        data_plane.publish(admitted.topic, admitted.payload)
    except (Busy, Misconfigured) as error:
        emit("ERROR", "webhook_not_taken", reason=str(error))
        return _answer(HTTPStatus.SERVICE_UNAVAILABLE)
    except Refused as error:
        emit("ERROR", "webhook_refused", reason=str(error))
        return _answer(HTTPStatus.BAD_GATEWAY)
    return _answer(HTTPStatus.NO_CONTENT)


def _let_in(request: Request, secret_arn: str) -> bool:
    return request.shows(secret(secret_arn)) or request.shows(secret(secret_arn, max_age=READ_AGAIN_AFTER))


def _answer(status: HTTPStatus) -> dict[str, Any]:
    return {"statusCode": int(status), "body": ""}
