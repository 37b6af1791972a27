"""Application packages, and which package an FPort of an application is associated with."""

from collections.abc import Mapping
from typing import Any

from thingbridge.things_stack.transport import Transport


class ApplicationPackages:
    """Operations of ApplicationPackageRegistry for one application."""

    def __init__(self, transport: Transport, application_id: str) -> None:
        self._transport, self._application_id = transport, application_id

    def names(self) -> frozenset[str] | None:
        """List: the names of the deployment's packages; None if the deployment does not list them.

        The operation needs a device ID, but answers the same for every one, registered or not.
        """
        path = f"/as/applications/{self._application_id}/devices/any/packages"
        answer = self._transport.find(path, "list the application packages")
        return None if answer is None else frozenset(package["name"] for package in answer.get("packages", ()))

    def default_association(self, f_port: int) -> dict[str, Any] | None:
        """GetDefaultAssociation: name and data of the package on an FPort, None if there is none."""
        operation = f"read the package association of FPort {f_port}"
        return self._transport.find(self._path(f_port), operation, query={"field_mask": "package_name,data"})

    def set_default_association(self, f_port: int, package_name: str, data: Mapping[str, Any]) -> None:
        """SetDefaultAssociation."""
        ids = {"application_ids": {"application_id": self._application_id}, "f_port": f_port}
        self._transport.call(
            "PUT",
            self._path(f_port),
            f"associate the package {package_name} with FPort {f_port}",
            body={
                "default": {"ids": ids, "package_name": package_name, "data": dict(data)},
                "field_mask": {"paths": ["package_name", "data"]},
            },
        )

    def delete_default_association(self, f_port: int) -> None:
        """DeleteDefaultAssociation."""
        self._transport.call("DELETE", self._path(f_port), f"remove the package association of FPort {f_port}")

    def _path(self, f_port: int) -> str:
        return f"/as/applications/{self._application_id}/packages/associations/{f_port}"
