"""HTTP to The Things Stack: addresses, the API key, time-outs and retries. The operations are in the other files.

Paths and bodies: The Things Stack HTTP API, `/api/v3`. Operations of the Identity Server go to its own host, which
differs from the cluster's on the hosted deployments; all others go to the cluster.
"""

import math
import random
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from thingbridge.things_stack.authority import PrivateAuthority, UnknownAuthority, is_unknown_authority, verification
from thingbridge.things_stack.errors import (
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
"""Seconds left for the caller to record the outcome once the transport has given up."""

_TOTAL_HEADER: Final = "X-Total-Count"
_RETRY_AFTER_HEADERS: Final = ("Retry-After", "X-Rate-Limit-Retry", "X-Ratelimit-Retry")


class Transport:
    """Calls with the API key of one application.

    `cluster_address`, `identity_server_address`: URLs without a path. `ca_certificate`: of an authority (PEM) that is
    trusted in addition to the public ones. `api_key(refresh)` returns the API key;
    `refresh` is set after a refusal, because the key may have been rotated. `remaining_seconds` returns the time that
    the caller has left: requests to a busy server are retried only within that time, for `patience` seconds per call.
    The first answer of a call is waited for regardless of `patience`: a slow server is not a busy one.

    Every call raises `ThingsStackRefused` (an answer that means no), `ApiKeyRefused` (401, 403), `UnknownAuthority`
    (the server's certificate), or `ThingsStackBusy` (everything else: 429, 5xx, a page that is not of The Things Stack,
    no connection).
    """

    def __init__(
        self,
        *,
        cluster_address: str,
        identity_server_address: str,
        api_key: Callable[[bool], str],
        remaining_seconds: Callable[[], float],
        patience: float = math.inf,
        ca_certificate: str | None = None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.cluster_host = urlsplit(cluster_address).hostname or cluster_address
        self.remaining_seconds = remaining_seconds
        self.session = requests.Session()
        if ca_certificate:
            self.session.mount("https://", PrivateAuthority(ca_certificate))
        self._cluster = cluster_address.rstrip("/") + API_PREFIX
        self._identity_server = identity_server_address.rstrip("/") + API_PREFIX
        self._api_key, self._patience = api_key, patience
        self._now, self._sleep = now, sleep

    def find(self, path: str, operation: str, **arguments: Any) -> dict[str, Any] | None:
        """GET: the answer, None if the path does not exist (404). Arguments as for `call`."""
        try:
            return self.call("GET", path, operation, **arguments)
        except NotFound:
            return None

    def listing(self, method: str, path: str, operation: str, **arguments: Any) -> tuple[dict[str, Any], int | None]:
        """`call` for a page of a list. Returns the answer and the number of items on all pages, None if unknown."""
        answer, headers = self.exchange(method, path, operation, **arguments)
        total = headers.get(_TOTAL_HEADER, "")
        return answer, int(total) if total.isdecimal() else None

    def call(self, method: str, path: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """The answer of one operation: `exchange` without the headers."""
        return self.exchange(method, path, operation, **arguments)[0]

    def exchange(
        self,
        method: str,
        path: str,
        operation: str,
        *,
        identity_server: bool = False,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        repeatable: bool = True,
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        """Call one operation; retried while the server is busy and time is left, and once with a refreshed API key.

        Returns the answer and its headers. `operation` begins the text of an error. Not `repeatable`: not sent again
        once the server may have accepted it, which the error says (`uncertain`).
        """
        url = (self._identity_server if identity_server else self._cluster) + path
        pause, refreshed, left = FIRST_PAUSE, False, self.remaining_seconds()
        give_up_at = self._now() + self._patience
        while True:
            wait, reason = 0.0, ""
            try:
                response = self.session.request(
                    method,
                    url,
                    params=query,
                    json=body,
                    headers={"Authorization": f"Bearer {self._api_key(refreshed)}"},
                    timeout=(CONNECT_TIMEOUT, max(0.1, min(READ_TIMEOUT, left - MARGIN))),
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                if (failed := verification(error)) and is_unknown_authority(failed):
                    raise UnknownAuthority(operation, urlsplit(url).netloc) from error
                reason = f"no answer from {urlsplit(url).netloc} ({_cause(error)})"
                if not repeatable and not isinstance(error, requests.ConnectTimeout):
                    raise ThingsStackBusy(operation, reason, uncertain=True) from error
            else:
                body_read = _json_object(response)
                if response.status_code < 300 and body_read is not None:
                    return body_read, response.headers
                answer = read_answer(response.status_code, body_read)
                if answer.means_no:
                    error_answer = refused(operation, answer)
                    if response.status_code != 403 and isinstance(error_answer, ApiKeyRefused) and not refreshed:
                        refreshed, left = True, self.remaining_seconds()
                        continue
                    raise error_answer
                who = "The Things Stack" if answer.is_of_things_stack else urlsplit(url).netloc
                reason = f"{who} answered {answer.status}: {answer.text}"
                if not repeatable and answer.status != HTTPStatus.TOO_MANY_REQUESTS:
                    raise ThingsStackBusy(operation, reason, uncertain=True)
                wait = _retry_after(response)
            wait = max(wait, pause * random.uniform(0.5, 1.0))
            left = min(self.remaining_seconds(), give_up_at - self._now()) - wait
            if left <= MARGIN:
                raise ThingsStackBusy(operation, reason)
            self._sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)


def _cause(error: requests.RequestException) -> str:
    if failed := verification(error):
        return f"TLS failed: {failed.verify_message}"
    return {
        requests.ConnectTimeout: "connection timed out",
        requests.ReadTimeout: "no answer in time",
        requests.exceptions.SSLError: "TLS failed",
        requests.ConnectionError: "can't connect",
    }.get(type(error), type(error).__name__)


def _json_object(response: requests.Response) -> dict[str, Any] | None:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _retry_after(response: requests.Response) -> float:
    """Seconds that the server asks to wait; 0 without a readable header."""
    for header in _RETRY_AFTER_HEADERS:
        try:
            seconds = float(response.headers[header])
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return seconds
    return 0.0
