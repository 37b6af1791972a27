"""A session with The Things Stack for one application: its operations by the API's own names.

Paths and bodies: The Things Stack HTTP API, `/api/v3`. Identity Server operations go to the Identity Server's
host, which is another than the cluster's on the hosted deployments; all others to the cluster.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlsplit

import requests

from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry.provisioning import Server, Step
from thingbridge.things_stack.errors import (
    Answer,
    ApiKeyRefused,
    NotFound,
    ThingsStackBusy,
    read_answer,
    refused,
)

API_PREFIX: Final = "/api/v3"
CONNECT_TIMEOUT: Final = 3.05
READ_TIMEOUT: Final = 10.0
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 5.0
MARGIN: Final = 1.0
"""Seconds that are left for the caller to record the outcome once this client has given up."""

_QUEUE_FULL: Final = "downlink_queue_capacity"
"""Answered with 429 like a rate limit, but a device may take days to empty its queue."""

_RETRY_AFTER_HEADERS: Final = ("Retry-After", "X-Rate-Limit-Retry", "X-Ratelimit-Retry")
_SERVER_PATHS: Final = {
    Server.IDENTITY: "",
    Server.JOIN: "/js",
    Server.CLAIMING: "/edcs/claim",
    Server.NETWORK: "/ns",
    Server.APPLICATION: "/as",
}


class ThingsStack:
    """Operations of one application.

    `cluster_address`, `identity_server_address`: URLs without a path. `api_key(refresh)` gives the application's
    API key; `refresh` asks for it anew when it was refused, because it may have been rotated. `remaining_seconds` tells
    how long the caller may still take: a busy server is tried again only within that time.

    Every operation raises `ThingsStackRefused` (4xx), `ApiKeyRefused` (401, 403) or `ThingsStackBusy` (429, 5xx,
    no connection).
    """

    def __init__(
        self,
        *,
        cluster_address: str,
        identity_server_address: str,
        application_id: str,
        api_key: Callable[[bool], str],
        remaining_seconds: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.application_id = application_id
        self.cluster_host = urlsplit(cluster_address).hostname or cluster_address
        self._cluster = cluster_address.rstrip("/") + API_PREFIX
        self._identity_server = identity_server_address.rstrip("/") + API_PREFIX
        self._api_key = api_key
        self.remaining_seconds = remaining_seconds
        self._sleep = sleep
        self.session = requests.Session()

    # Application ----------------------------------------------------------------------------------------------

    def application_rights(self) -> frozenset[str]:
        """ApplicationAccess.ListRights: the rights of the API key on the application (`RIGHT_…`)."""
        answer = self._identity("GET", f"/applications/{self.application_id}/rights", "list the rights of the API key")
        return frozenset(answer.get("rights", ()))

    def frequency_plan_ids(self) -> frozenset[str]:
        """Configuration.ListFrequencyPlans: the ids of the plans that the cluster knows."""
        answer = self._call("GET", "/configuration/frequency-plans", "list the frequency plans")
        return frozenset(plan["id"] for plan in answer.get("frequency_plans", ()))

    # End-to-end encryption ------------------------------------------------------------------------------------

    def activation_settings(self, paths: Sequence[str]) -> dict[str, Any] | None:
        """ApplicationActivationSettingRegistry.Get: the fields `paths` of the Join Server's settings, None without."""
        try:
            return self._call(
                "GET",
                self._activation_settings_path,
                "read the Join Server's settings",
                query={"field_mask": ",".join(paths)},
            )
        except NotFound:
            return None

    def set_activation_settings(self, settings: Mapping[str, Any], paths: Sequence[str]) -> None:
        """ApplicationActivationSettingRegistry.Set: the fields `paths`; the others keep their values."""
        self._call(
            "POST",
            self._activation_settings_path,
            "write the Join Server's settings",
            body={"settings": dict(settings), "field_mask": {"paths": list(paths)}},
        )

    def delete_activation_settings(self) -> None:
        """ApplicationActivationSettingRegistry.Delete."""
        self._call("DELETE", self._activation_settings_path, "remove the Join Server's settings")

    def set_link(self, link: Mapping[str, Any], paths: Sequence[str]) -> None:
        """As.SetLink: the fields `paths` of the application's link; the others keep their values."""
        self._call(
            "PUT",
            f"/as/applications/{self.application_id}/link",
            "configure the application's link",
            body={"link": dict(link), "field_mask": {"paths": list(paths)}},
        )

    @property
    def _activation_settings_path(self) -> str:
        return f"/js/applications/{self.application_id}/settings"

    # Pub/Subs, webhooks, application packages -----------------------------------------------------------------

    def pubsub(self, pubsub_id: str, paths: Sequence[str]) -> dict[str, Any] | None:
        """ApplicationPubSubRegistry.Get: the fields `paths` of a pub/sub, None without one."""
        path = f"/as/pubsub/{self.application_id}/{pubsub_id}"
        return self._get(path, f"read the pub/sub integration {pubsub_id}", {"field_mask": ",".join(paths)})

    def set_pubsub(self, pubsub_id: str, settings: Mapping[str, Any], paths: Sequence[str]) -> None:
        """ApplicationPubSubRegistry.Set: `settings` are the fields of an `ApplicationPubSub` without its ids."""
        ids = {"application_ids": {"application_id": self.application_id}, "pub_sub_id": pubsub_id}
        self._call(
            "PUT",
            f"/as/pubsub/{self.application_id}/{pubsub_id}",
            f"configure the pub/sub integration {pubsub_id}",
            body={"pubsub": {"ids": ids, **settings}, "field_mask": {"paths": list(paths)}},
        )

    def delete_pubsub(self, pubsub_id: str) -> None:
        """ApplicationPubSubRegistry.Delete."""
        path = f"/as/pubsub/{self.application_id}/{pubsub_id}"
        self._call("DELETE", path, f"remove the pub/sub integration {pubsub_id}")

    def set_webhook(self, webhook_id: str, settings: Mapping[str, Any], paths: Sequence[str]) -> None:
        """ApplicationWebhookRegistry.Set: `settings` are the fields of an `ApplicationWebhook` without its ids."""
        ids = {"application_ids": {"application_id": self.application_id}, "webhook_id": webhook_id}
        self._call(
            "PUT",
            f"/as/webhooks/{self.application_id}/{webhook_id}",
            f"configure the webhook {webhook_id}",
            body={"webhook": {"ids": ids, **settings}, "field_mask": {"paths": list(paths)}},
        )

    def delete_webhook(self, webhook_id: str) -> None:
        """ApplicationWebhookRegistry.Delete."""
        self._call("DELETE", f"/as/webhooks/{self.application_id}/{webhook_id}", f"remove the webhook {webhook_id}")

    def application_packages(self) -> frozenset[str] | None:
        """ApplicationPackageRegistry.List: names of the deployment's packages; None when it does not say.

        The operation asks for a device, but answers the same for every device id, registered or not.
        """
        path = f"/as/applications/{self.application_id}/devices/any/packages"
        answer = self._get(path, "list the application packages")
        return None if answer is None else frozenset(package["name"] for package in answer.get("packages", ()))

    def default_association(self, f_port: int) -> dict[str, Any] | None:
        """ApplicationPackageRegistry.GetDefaultAssociation: name and data of the package on an FPort, None without."""
        operation = f"read the package association of FPort {f_port}"
        return self._get(self._association_path(f_port), operation, {"field_mask": "package_name,data"})

    def set_default_association(self, f_port: int, package_name: str, data: Mapping[str, Any]) -> None:
        """ApplicationPackageRegistry.SetDefaultAssociation."""
        ids = {"application_ids": {"application_id": self.application_id}, "f_port": f_port}
        self._call(
            "PUT",
            self._association_path(f_port),
            f"associate the package {package_name} with FPort {f_port}",
            body={
                "default": {"ids": ids, "package_name": package_name, "data": dict(data)},
                "field_mask": {"paths": ["package_name", "data"]},
            },
        )

    def delete_default_association(self, f_port: int) -> None:
        """ApplicationPackageRegistry.DeleteDefaultAssociation."""
        self._call("DELETE", self._association_path(f_port), f"remove the package association of FPort {f_port}")

    # End devices ----------------------------------------------------------------------------------------------

    def set_end_device(self, step: Step) -> None:
        """EndDeviceRegistry.Create on the Identity Server, EndDeviceClaimingServer.Claim, …Set on the others."""
        ids = step.end_device["ids"]
        device_id = ids["device_id"]
        operation = f"create {device_id} on the {step.server}"
        if step.server is Server.IDENTITY:
            path = f"/applications/{self.application_id}/devices"
            self._identity("POST", path, operation, body={"end_device": step.end_device})
        elif step.server is Server.CLAIMING:
            claim = {
                "authenticated_identifiers": {
                    "join_eui": ids["join_eui"],
                    "dev_eui": ids["dev_eui"],
                    "authentication_code": step.end_device["claim_authentication_code"],
                },
                "target_application_ids": ids["application_ids"],
                "target_device_id": device_id,
            }
            self._call("POST", "/edcs/claim", f"claim {device_id}", body=claim)
        else:
            body = {"end_device": step.end_device, "field_mask": {"paths": list(step.paths)}}
            self._call("PUT", self._device_path(step.server, device_id), operation, body=body)

    def end_device(self, server: Server, device_id: str, paths: Sequence[str]) -> dict[str, Any] | None:
        """…EndDeviceRegistry.Get: the fields `paths` of a device as one server knows it, None when it does not.

        On the Device Claiming Server: GetClaimStatus, which has no field mask.
        """
        operation = f"read {device_id} from the {server}"
        query = {"field_mask": ",".join(paths)} if server is not Server.CLAIMING else None
        try:
            return self._on(server)("GET", self._device_path(server, device_id), operation, query=query)
        except NotFound:
            return None

    def delete_end_device(self, server: Server, device_id: str) -> bool:
        """…EndDeviceRegistry.Delete on one server, or Unclaim; False when it did not know the device."""
        operation = f"delete {device_id} on the {server}"
        try:
            self._on(server)("DELETE", self._device_path(server, device_id), operation)
        except NotFound:
            return False
        return True

    def end_devices(self, page: int, limit: int, paths: Sequence[str]) -> Sequence[dict[str, Any]]:
        """EndDeviceRegistry.List: a page (from 1) of the application's devices on the Identity Server, by device id."""
        answer = self._identity(
            "GET",
            f"/applications/{self.application_id}/devices",
            f"list page {page} of the devices",
            query={"order": "device_id", "limit": str(limit), "page": str(page), "field_mask": ",".join(paths)},
        )
        return list(answer.get("end_devices", ()))

    def set_attributes(self, device_id: str, attributes: Mapping[str, str]) -> None:
        """EndDeviceRegistry.Update: give a device these attributes on the Identity Server, and no others."""
        self._identity(
            "PUT",
            self._device_path(Server.IDENTITY, device_id),
            f"mark {device_id} on the {Server.IDENTITY}",
            body={"end_device": {"attributes": dict(attributes)}, "field_mask": {"paths": ["attributes"]}},
        )

    def find_device(self, dev_eui: str) -> EndDeviceIdentifiers | None:
        """EndDeviceRegistrySearch: the application's device with this DevEUI, None without one."""
        answer = self._identity(
            "GET",
            f"/search/applications/{self.application_id}/devices",
            f"search the device with DevEUI {dev_eui}",
            query={"dev_eui_contains": dev_eui, "field_mask": "ids"},
        )
        for device in answer.get("end_devices", ()):
            ids = device["ids"]
            if ids.get("dev_eui") == dev_eui:
                return EndDeviceIdentifiers(str(ids["device_id"]), dev_eui, ids.get("join_eui"))
        return None

    # Downlinks ------------------------------------------------------------------------------------------------

    def schedule_downlinks(self, device_id: str, downlinks: Sequence[Mapping[str, Any]], *, replace: bool) -> None:
        """AppAs.DownlinkQueuePush or …Replace with `ApplicationDownlink` objects.

        A push that may have been taken (time-out while reading) is not sent again from here.
        """
        verb = "replace" if replace else "push"
        self._call(
            "POST",
            f"/as/applications/{self.application_id}/devices/{device_id}/down/{verb}",
            f"{verb} downlinks of {device_id}",
            body={"downlinks": list(downlinks)},
            repeatable=replace,
        )

    # Transport ------------------------------------------------------------------------------------------------

    def _association_path(self, f_port: int) -> str:
        return f"/as/applications/{self.application_id}/packages/associations/{f_port}"

    def _get(self, path: str, operation: str, query: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """What is there, None when nothing is (404)."""
        try:
            return self._call("GET", path, operation, query=query)
        except NotFound:
            return None

    def _device_path(self, server: Server, device_id: str) -> str:
        application = self.application_id if server is Server.CLAIMING else f"applications/{self.application_id}"
        return f"{_SERVER_PATHS[server]}/{application}/devices/{quote(device_id, safe='')}"

    def _on(self, server: Server) -> Callable[..., dict[str, Any]]:
        return self._identity if server is Server.IDENTITY else self._call

    def _identity(self, method: str, path: str, operation: str, **arguments: Any) -> dict[str, Any]:
        return self._call(method, path, operation, base=self._identity_server, **arguments)

    def _call(
        self,
        method: str,
        path: str,
        operation: str,
        *,
        base: str | None = None,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        repeatable: bool = True,
    ) -> dict[str, Any]:
        """One operation: tried again while the server is busy and time is left, once with a fresh key."""
        url = (base or self._cluster) + path
        pause, refreshed = FIRST_PAUSE, False
        while True:
            wait, reason = 0.0, ""
            try:
                response = self.session.request(
                    method,
                    url,
                    params=query,
                    json=body,
                    headers={"Authorization": f"Bearer {self._api_key(refreshed)}"},
                    timeout=(CONNECT_TIMEOUT, max(0.1, min(READ_TIMEOUT, self.remaining_seconds() - MARGIN))),
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                reason = f"no answer from {urlsplit(url).netloc} ({_cause(error)})"
                if not repeatable and not isinstance(error, requests.ConnectTimeout):
                    raise ThingsStackBusy(operation, reason) from error
            else:
                if response.status_code < 300:
                    return _json_object(response) or {}
                answer = read_answer(response.status_code, _json_object(response))
                if not _is_busy(answer):
                    error_answer = refused(operation, answer)
                    if response.status_code != 403 and isinstance(error_answer, ApiKeyRefused) and not refreshed:
                        refreshed = True
                        continue
                    raise error_answer
                reason = f"The Things Stack answered {answer.status}: {answer.message}"
                wait = _retry_after(response)
            wait = max(wait, pause * random.uniform(0.5, 1.0))
            if wait + MARGIN >= self.remaining_seconds():
                raise ThingsStackBusy(operation, reason)
            self._sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)


def _is_busy(answer: Answer) -> bool:
    """Whether the same request may be taken a moment later."""
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return answer.name != _QUEUE_FULL
    return answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR and answer.status != HTTPStatus.NOT_IMPLEMENTED


def _cause(error: requests.RequestException) -> str:
    return {
        requests.ConnectTimeout: "connection timed out",
        requests.ReadTimeout: "no answer in time",
        requests.exceptions.SSLError: "TLS failed",
        requests.ConnectionError: "can't connect",
    }.get(type(error), type(error).__name__)


def _json_object(response: requests.Response) -> dict[str, Any] | None:
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _retry_after(response: requests.Response) -> float:
    """Seconds the server asks to wait; 0 when it says nothing that can be read."""
    for header in _RETRY_AFTER_HEADERS:
        try:
            return float(response.headers[header])
        except (KeyError, ValueError):
            continue
    return 0.0
