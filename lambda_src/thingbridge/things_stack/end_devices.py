"""The end device registries of the Identity, Join, Network and Application Server, and the Device Claiming Server.

One operation on one server each. Creating, changing and deleting a whole device is in `flows.end_devices`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from thingbridge.lorawan.identifiers import EndDeviceIdentifiers
from thingbridge.registry.provisioning import Server, Step
from thingbridge.things_stack.errors import NotFound
from thingbridge.things_stack.transport import Transport

_SERVER_PATHS: Final = {
    Server.IDENTITY: "",
    Server.JOIN: "/js",
    Server.CLAIMING: "/edcs/claim",
    Server.NETWORK: "/ns",
    Server.APPLICATION: "/as",
}


class EndDevices:
    """Operations on the end devices of one application."""

    def __init__(self, transport: Transport, application_id: str) -> None:
        self._transport, self._application_id = transport, application_id

    def set(self, step: Step) -> None:
        """EndDeviceRegistry.Create on the Identity Server, EndDeviceClaimingServer.Claim, …Set on the others."""
        device_id = step.end_device["ids"]["device_id"]
        operation = f"create {device_id} on the {step.server}"
        if step.server is Server.IDENTITY:
            body: dict[str, Any] = {"end_device": step.end_device}
            self._transport.call("POST", self._collection, operation, identity_server=True, body=body)
        elif step.server is Server.CLAIMING:
            self._transport.call("POST", "/edcs/claim", f"claim {device_id}", body=_claim(step.end_device))
        else:
            body = {"end_device": step.end_device, "field_mask": {"paths": list(step.paths)}}
            self._transport.call("PUT", self._path(step.server, device_id), operation, body=body)

    def get(self, server: Server, device_id: str, paths: Sequence[str]) -> dict[str, Any] | None:
        """…EndDeviceRegistry.Get: the fields `paths` of a device on one server, None if the server does not know it.

        On the Device Claiming Server: GetClaimStatus, which has no field mask.
        """
        return self._transport.find(
            self._path(server, device_id),
            f"read {device_id} from the {server}",
            identity_server=server is Server.IDENTITY,
            query={"field_mask": ",".join(paths)} if server is not Server.CLAIMING else None,
        )

    def delete(self, server: Server, device_id: str) -> bool:
        """…EndDeviceRegistry.Delete on one server, or Unclaim; False if the server did not know the device."""
        operation = f"delete {device_id} on the {server}"
        path = self._path(server, device_id)
        try:
            self._transport.call("DELETE", path, operation, identity_server=server is Server.IDENTITY)
        except NotFound:
            return False
        return True

    def page(self, page: int, limit: int, paths: Sequence[str]) -> tuple[Sequence[dict[str, Any]], int | None]:
        """EndDeviceRegistry.List: a page (from 1) of the application's devices on the Identity Server, by device id.

        Returns the devices, which may be fewer than `limit` on any page, and how many there are on all pages.
        """
        answer, total = self._transport.listing(
            "GET",
            self._collection,
            f"list page {page} of the devices",
            identity_server=True,
            query={"order": "device_id", "limit": str(limit), "page": str(page), "field_mask": ",".join(paths)},
        )
        return list(answer.get("end_devices", ())), total

    def set_attributes(self, device_id: str, attributes: Mapping[str, str]) -> None:
        """EndDeviceRegistry.Update: replace the attributes of a device on the Identity Server."""
        self._transport.call(
            "PUT",
            self._path(Server.IDENTITY, device_id),
            f"mark {device_id} on the {Server.IDENTITY}",
            identity_server=True,
            body={"end_device": {"attributes": dict(attributes)}, "field_mask": {"paths": ["attributes"]}},
        )

    def search(self, dev_eui: str) -> EndDeviceIdentifiers | None:
        """EndDeviceRegistrySearch: the application's device with this DevEUI, None if there is none."""
        answer = self._transport.call(
            "GET",
            f"/search{self._collection}",
            f"search the device with DevEUI {dev_eui}",
            identity_server=True,
            query={"dev_eui_contains": dev_eui, "field_mask": "ids"},
        )
        for device in answer.get("end_devices", ()):
            ids = device["ids"]
            if ids.get("dev_eui") == dev_eui:
                return EndDeviceIdentifiers(str(ids["device_id"]), dev_eui, ids.get("join_eui"))
        return None

    @property
    def _collection(self) -> str:
        return f"/applications/{self._application_id}/devices"

    def _path(self, server: Server, device_id: str) -> str:
        application = self._application_id if server is Server.CLAIMING else f"applications/{self._application_id}"
        return f"{_SERVER_PATHS[server]}/{application}/devices/{quote(device_id, safe='')}"


def _claim(end_device: Mapping[str, Any]) -> dict[str, Any]:
    """A `ClaimEndDeviceRequest`."""
    ids = end_device["ids"]
    return {
        "authenticated_identifiers": {
            "join_eui": ids["join_eui"],
            "dev_eui": ids["dev_eui"],
            "authentication_code": end_device["claim_authentication_code"],
        },
        "target_application_ids": ids["application_ids"],
        "target_device_id": ids["device_id"],
    }
