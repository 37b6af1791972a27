"""What each server of the cluster knows: only what was sent to it. No behaviour beyond looking up and copying."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.things_stack.description import DOCUMENTED_RIGHTS, ID_GRAMMAR, RIGHTS

DeviceKey = tuple[str, str]
"""Application id and device id."""


def rfc3339(nanoseconds: int) -> str:
    """Unix nanoseconds as the Stack prints times: UTC, trailing zeros of the fraction left out."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    digits = f".{fraction:09d}".rstrip("0").rstrip(".")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{digits}Z"


@dataclass
class ApiKey:
    """A bearer key `NNSXS.<id>.<secret>` of one application."""

    id: str
    secret: str
    application_id: str
    rights: tuple[str, ...]

    @property
    def token(self) -> str:
        return f"NNSXS.{self.id}.{self.secret}"


@dataclass
class DeviceServer:
    """A server's device registry."""

    devices: dict[DeviceKey, dict[str, Any]] = field(default_factory=dict)


@dataclass
class IdentityServer(DeviceServer):
    applications: set[str] = field(default_factory=set)
    api_keys: dict[str, ApiKey] = field(default_factory=dict)

    def create_application(self, application_id: str) -> None:
        if not (re.fullmatch(ID_GRAMMAR, application_id) and len(application_id) <= 36):
            raise ValueError(f"{application_id!r} is not an application id")
        self.applications.add(application_id)

    def create_api_key(self, application_id: str, rights: tuple[str, ...] | None) -> ApiKey:
        """A key with `rights` (None: the eight rights the integration's documentation asks for)."""
        if application_id not in self.applications:
            raise ValueError(f"there is no application {application_id!r}")
        unknown = set(rights or ()) - set(RIGHTS)
        if unknown:
            raise ValueError(f"not rights of an application: {', '.join(sorted(unknown))}")
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
        id_, secret = ("".join(secrets.choice(alphabet) for _ in range(length)) for length in (39, 52))
        key = ApiKey(id_, secret, application_id, DOCUMENTED_RIGHTS if rights is None else tuple(rights))
        self.api_keys[key.id] = key
        return key


@dataclass
class JoinServer(DeviceServer):
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class ApplicationServer(DeviceServer):
    links: dict[str, dict[str, Any]] = field(default_factory=dict)
    pubsubs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    webhooks: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    associations: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)


@dataclass
class Claimable:
    """A device on a Join Server outside the cluster: claimable with its code, then `claimed_by` an application."""

    join_eui: str
    dev_eui: str
    authentication_code: str
    app_key: str
    claimed_by: str | None = None


@dataclass
class ClaimingServer:
    devices: dict[tuple[str, str], Claimable] = field(default_factory=dict)
    """(JoinEUI, DevEUI) → device."""


@dataclass
class Servers:
    identity: IdentityServer = field(default_factory=IdentityServer)
    network: DeviceServer = field(default_factory=DeviceServer)
    application: ApplicationServer = field(default_factory=ApplicationServer)
    join: JoinServer = field(default_factory=JoinServer)
    claiming: ClaimingServer = field(default_factory=ClaimingServer)
