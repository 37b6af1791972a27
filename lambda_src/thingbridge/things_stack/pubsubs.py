"""Pub/Sub integrations of an application."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingbridge.things_stack.transport import Transport


class PubSubs:
    """Operations of ApplicationPubSubRegistry for one application."""

    def __init__(self, transport: Transport, application_id: str) -> None:
        self._transport, self._application_id = transport, application_id

    def get(self, pubsub_id: str, paths: Sequence[str]) -> dict[str, Any] | None:
        """The fields `paths` of a Pub/Sub integration, None if there is none."""
        query = {"field_mask": ",".join(paths)}
        return self._transport.find(self._path(pubsub_id), f"read the pub/sub integration {pubsub_id}", query=query)

    def set(self, pubsub_id: str, settings: Mapping[str, Any], paths: Sequence[str]) -> None:
        """Create or update one. `settings` are the fields of an `ApplicationPubSub` without its ids."""
        ids = {"application_ids": {"application_id": self._application_id}, "pub_sub_id": pubsub_id}
        self._transport.call(
            "PUT",
            self._path(pubsub_id),
            f"configure the pub/sub integration {pubsub_id}",
            body={"pubsub": {"ids": ids, **settings}, "field_mask": {"paths": list(paths)}},
        )

    def delete(self, pubsub_id: str) -> None:
        """Delete one."""
        self._transport.call("DELETE", self._path(pubsub_id), f"remove the pub/sub integration {pubsub_id}")

    def _path(self, pubsub_id: str) -> str:
        return f"/as/pubsub/{self._application_id}/{pubsub_id}"
