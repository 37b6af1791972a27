"""The application itself: the rights of the API key, the cluster's frequency plans, the Application Server's link."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingbridge.shadow import times
from thingbridge.things_stack.transport import Transport


class Application:
    """Operations of ApplicationAccess, Configuration and As for one application."""

    def __init__(self, transport: Transport, application_id: str) -> None:
        self._transport, self._application_id = transport, application_id

    def rights(self) -> frozenset[str]:
        """ApplicationAccess.ListRights: the rights of the API key on the application (`RIGHT_…`)."""
        path = f"/applications/{self._application_id}/rights"
        answer = self._transport.call("GET", path, "list the rights of the API key", identity_server=True)
        return frozenset(answer.get("rights", ()))

    def api_key_ends(self) -> float | None:
        """EntityAccess.AuthInfo: when the API key expires, in Unix seconds; None if it does not."""
        answer = self._transport.call("GET", "/auth_info", "read the end of the API key", identity_server=True)
        key = (answer.get("api_key") or {}).get("api_key") or {}
        end = times.sortable(key.get("expires_at"))
        return times.seconds(end) if end else None

    def frequency_plan_ids(self) -> frozenset[str]:
        """Configuration.ListFrequencyPlans: the ids of the cluster's frequency plans."""
        answer = self._transport.call("GET", "/configuration/frequency-plans", "list the frequency plans")
        return frozenset(plan["id"] for plan in answer.get("frequency_plans", ()))

    def link(self, paths: Sequence[str]) -> dict[str, Any]:
        """As.GetLink: the fields `paths` of the application's link; empty if there is none."""
        path = f"/as/applications/{self._application_id}/link"
        query = {"field_mask": ",".join(paths)}
        return self._transport.find(path, "read the application's link", query=query) or {}

    def set_link(self, link: Mapping[str, Any], paths: Sequence[str]) -> None:
        """As.SetLink: the fields `paths` of the application's link; the others keep their values."""
        self._transport.call(
            "PUT",
            f"/as/applications/{self._application_id}/link",
            "configure the application's link",
            body={"link": dict(link), "field_mask": {"paths": list(paths)}},
        )
