"""The state of each server of the cluster: only what was sent to it. No behaviour beyond look-up and creation."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from local.things_stack.description.messages import ID_GRAMMAR
from local.things_stack.description.rights import DOCUMENTED_RIGHTS, RIGHTS

DeviceKey = tuple[str, str]
"""Application id and device id."""


@dataclass
class ApiKey:
    """A bearer key `NNSXS.<id>.<secret>` of one application, or of a user, with all the rights of the user.

    `expires_at`: RFC 3339; empty for one that does not expire.
    """

    id: str
    secret: str
    application_id: str
    rights: tuple[str, ...]
    user_id: str = ""
    expires_at: str = ""

    @property
    def token(self) -> str:
        return f"NNSXS.{self.id}.{self.secret}"


@dataclass
class DeviceServer:
    """The device registry of one server."""

    devices: dict[DeviceKey, dict[str, Any]] = field(default_factory=dict)


@dataclass
class IdentityServer(DeviceServer):
    """End devices, applications by id, each with the addresses of its servers (none: any), API keys by key id, and
    gateways by id."""

    applications: dict[str, dict[str, str]] = field(default_factory=dict)
    api_keys: dict[str, ApiKey] = field(default_factory=dict)
    gateways: dict[str, dict[str, Any]] = field(default_factory=dict)

    def create_application(self, application_id: str) -> None:
        if not (re.fullmatch(ID_GRAMMAR, application_id) and len(application_id) <= 36):
            raise ValueError(f"{application_id!r} is not a valid application id")
        self.applications.setdefault(application_id, {})

    def create_api_key(self, application_id: str, rights: tuple[str, ...] | None) -> ApiKey:
        """A key with `rights` (None: the eight rights that the documentation of the integration requires)."""
        if application_id not in self.applications:
            raise ValueError(f"application {application_id!r} does not exist")
        unknown = set(rights or ()) - set(RIGHTS)
        if unknown:
            raise ValueError(f"rights must be rights of an application; got {', '.join(sorted(unknown))}")
        return self._add_key(ApiKey(*_secrets(), application_id, DOCUMENTED_RIGHTS if rights is None else rights))

    def create_user_api_key(self, user_id: str) -> ApiKey:
        """A key with all rights of a user, who owns every application."""
        return self._add_key(ApiKey(*_secrets(), "", ("RIGHT_ALL",), user_id))

    def _add_key(self, key: ApiKey) -> ApiKey:
        self.api_keys[key.id] = key
        return key


def _secrets() -> tuple[str, str]:
    """Id and secret of a new key."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    id_, secret = ("".join(secrets.choice(alphabet) for _ in range(length)) for length in (39, 52))
    return id_, secret


@dataclass
class JoinServer(DeviceServer):
    """End devices, and activation settings by application id."""

    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class ApplicationServer(DeviceServer):
    """End devices, links by application id, and integrations by application id and their own id."""

    links: dict[str, dict[str, Any]] = field(default_factory=dict)
    pubsubs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    webhooks: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    associations: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)


@dataclass
class Claimable:
    """A device on a Join Server outside the cluster: it can be claimed with its code, and is then `claimed_by` an
    application."""

    join_eui: str
    dev_eui: str
    authentication_code: str
    app_key: str
    claimed_by: str | None = None


@dataclass
class ClaimingServer:
    """What can be claimed through the Device Claiming Server."""

    devices: dict[tuple[str, str], Claimable] = field(default_factory=dict)
    """(JoinEUI, DevEUI) → device."""


@dataclass
class Servers:
    """All servers of one cluster."""

    identity: IdentityServer = field(default_factory=IdentityServer)
    network: DeviceServer = field(default_factory=DeviceServer)
    application: ApplicationServer = field(default_factory=ApplicationServer)
    join: JoinServer = field(default_factory=JoinServer)
    claiming: ClaimingServer = field(default_factory=ClaimingServer)
