"""Signature Version 4 of a request to AWS (IAM User Guide, "Create a signed AWS API request").

What is signed is complete when it comes here: nothing is sent, and no credentials are looked for.
"""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials:
    """Credentials of a role, or of a user (`token` None)."""

    def __init__(self, access_key: str, secret_key: str, token: str | None) -> None:
        self.access_key, self.secret_key, self.token = access_key, secret_key, token


class Signer:
    """Signs requests to one service, by its signing name (`iotdata`), in one region."""

    def __init__(self, credentials: Credentials, region: str, service: str) -> None:
        self._credentials, self._region, self._service = credentials, region, service
        self._day, self._scope, self._key = "", "", b""

    def signed(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, at: str
    ) -> dict[str, str]:
        """The headers to send: those that are given, all of which are signed, and the signature.

        `path` as it is sent, without `.` and `..`; `query` encoded and sorted; names of `headers` in lower case, `host`
        among them; `at` the time as `20260102T030405Z`.
        """
        signed = {**headers, "x-amz-date": at}
        if self._credentials.token:
            signed["x-amz-security-token"] = self._credentials.token
        names = sorted(signed)
        listed = ";".join(names)
        lines = "".join([f"{name}:{' '.join(signed[name].split())}\n" for name in names])
        # The path is encoded a second time (every service but Amazon S3).
        request = f"{method}\n{quote(path, safe='/~')}\n{query}\n{lines}\n{listed}\n{hashlib.sha256(body).hexdigest()}"
        if at[:8] != self._day:
            self._derive(at[:8])
        text = f"{ALGORITHM}\n{at}\n{self._scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self._key, text.encode(), "sha256").hex()
        signed["authorization"] = (
            f"{ALGORITHM} Credential={self._credentials.access_key}/{self._scope}, "
            f"SignedHeaders={listed}, Signature={signature}"
        )
        return signed

    def _derive(self, day: str) -> None:
        """The signing key is one day's, for one region and service."""
        self._scope = f"{day}/{self._region}/{self._service}/aws4_request"
        key = f"AWS4{self._credentials.secret_key}".encode()
        for part in self._scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._day, self._key = day, key
