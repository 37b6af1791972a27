"""Webhooks of an application."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingbridge.things_stack.transport import Transport


class Webhooks:
    """Operations of ApplicationWebhookRegistry for one application."""

    def __init__(self, transport: Transport, application_id: str) -> None:
        self._transport, self._application_id = transport, application_id

    def get(self, webhook_id: str, paths: Sequence[str]) -> dict[str, Any] | None:
        """The fields `paths` of a webhook, None if there is none."""
        query = {"field_mask": ",".join(paths)}
        return self._transport.find(self._path(webhook_id), f"read the webhook {webhook_id}", query=query)

    def set(self, webhook_id: str, settings: Mapping[str, Any], paths: Sequence[str]) -> None:
        """Create or update one. `settings` are the fields of an `ApplicationWebhook` without its ids."""
        ids = {"application_ids": {"application_id": self._application_id}, "webhook_id": webhook_id}
        self._transport.call(
            "PUT",
            self._path(webhook_id),
            f"configure the webhook {webhook_id}",
            body={"webhook": {"ids": ids, **settings}, "field_mask": {"paths": list(paths)}},
        )

    def delete(self, webhook_id: str) -> None:
        """Delete one."""
        self._transport.call("DELETE", self._path(webhook_id), f"remove the webhook {webhook_id}")

    def _path(self, webhook_id: str) -> str:
        return f"/as/webhooks/{self._application_id}/{webhook_id}"
