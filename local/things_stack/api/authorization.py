"""The API key of a request, and whether its rights are sufficient for the operation.

Source: the Stack's auth.SplitToken, authInfo and rights packages.
"""

from __future__ import annotations

from werkzeug.wrappers import Request

from local.things_stack.api.call import Call
from local.things_stack.cluster import Cluster
from local.things_stack.description.errors import (
    INVALID_ARGUMENT,
    NOT_FOUND,
    PERMISSION_DENIED,
    UNAUTHENTICATED,
    ApiError,
)
from local.things_stack.servers import ApiKey

_REMEMBERING = ("NS", "AS", "JS")
"""The servers that ask the Identity Server for the rights of a key, and remember them."""


def authenticate(request: Request, cluster: Cluster, server: str) -> ApiKey | None:
    """The key in the Authorization header, None without one there. ApiError: the key is not valid."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if not token:
        return None
    if scheme.lower() != "bearer":
        raise ApiError(
            UNAUTHENTICATED, "pkg/identityserver:unsupported_authorization", "unsupported authorization method"
        )
    parts = token.split(".")
    if len(parts) != 3 or parts[0] != "NNSXS":
        raise ApiError(INVALID_ARGUMENT, "pkg/auth:token", "invalid token")
    if server in _REMEMBERING and (known := cluster.remembered_keys.get(token)) is not None:
        return known
    key = cluster.servers.identity.api_keys.get(parts[1])
    if key is None:
        absent = ApiError(NOT_FOUND, "pkg/identityserver/store:api_key_not_found", "no API key `{api_key_id}`",
                          {"api_key_id": parts[1]})  # fmt: skip
        raise ApiError(UNAUTHENTICATED, "pkg/identityserver:api_key_not_found", "API key not found", cause=absent)
    if key.secret != parts[2]:
        raise ApiError(UNAUTHENTICATED, "pkg/identityserver:invalid_authorization", "invalid authorization")
    return cluster.remembered_keys.put(token, key) if server in _REMEMBERING else key


def authorize(call: Call) -> None:
    """ApiError: the key lacks rights on the application that the operation or the paths of its field mask need."""
    required = _required_rights(call)
    if not required:
        return
    uid = call.application_id
    held: tuple[str, ...] = ()
    if call.key is not None and call.key.user_id:
        held = ("RIGHT_APPLICATION_ALL",)
    elif call.key is not None and call.key.application_id == uid:
        held = call.key.rights
    if not held or uid not in call.cluster.servers.identity.applications:
        raise ApiError(PERMISSION_DENIED, "pkg/auth/rights:no_application_rights",
                       "no rights for application `{uid}`", {"uid": uid})  # fmt: skip
    missing = [right for right in required if right not in held and "RIGHT_APPLICATION_ALL" not in held]
    if missing:
        raise ApiError(PERMISSION_DENIED, "pkg/auth/rights:insufficient_application_rights",
                       "insufficient rights for application `{uid}`", {"uid": uid, "missing": missing})  # fmt: skip


def _required_rights(call: Call) -> list[str]:
    required = [*call.operation.rights]
    for prefix, right in call.operation.path_rights.items():
        if any(path == prefix or path.startswith(f"{prefix}.") or prefix.startswith(f"{path}.") for path in call.mask):
            required.append(right)
    return required
