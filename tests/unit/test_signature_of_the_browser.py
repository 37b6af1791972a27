"""examples/devices/signature.js signs as botocore does. The local AWS checks no signature: only this test sees a fault.

QuickJS has no Web Crypto, so the three functions of it that the script calls are Python's here.
"""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import quickjs
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests import documents

HOST, REGION = "example-ats.iot.eu-west-1.amazonaws.com", "eu-west-1"
ACCESS, SECRET = "AKIAEXAMPLE", "a+secret/with=signs"
BROWSER = """
const octets = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (each) => each.charCodeAt(0));
globalThis.TextEncoder = class { encode(text) { return octets(text); } };
const numbers = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
globalThis.crypto = { subtle: {
  digest: async (name, data) => numbers(digest(name, hex(data))),
  importKey: async (_format, key) => key,
  sign: async (_name, key, data) => numbers(sign(hex(key), hex(data))),
} };
"""


def sign(key: str, data: str) -> str:
    return hmac.new(bytes.fromhex(key), bytes.fromhex(data), hashlib.sha256).hexdigest()


def digest(name: str, data: str) -> str:
    assert name == "SHA-256"
    return hashlib.sha256(bytes.fromhex(data)).hexdigest()


def signed_by_the_browser(credentials: dict[str, str], when: datetime) -> str:
    context: Any = quickjs.Context()
    context.add_callable("digest", digest)
    context.add_callable("sign", sign)
    context.eval(documents.read("examples/devices/signature.js"))
    context.eval(BROWSER)
    given = json.dumps([HOST, REGION, credentials])
    milliseconds = int(when.timestamp() * 1000)
    context.eval(
        f"signedAddress(...{given}, new Date({milliseconds})).then((found) => {{ globalThis.found = found; }})"
    )
    while context.execute_pending_job():
        pass
    return str(context.get("found"))


@pytest.mark.parametrize("token", ["", "a/session+token=="])
def test_the_address_is_signed_as_by_botocore(token: str) -> None:
    request = AWSRequest("GET", f"wss://{HOST}/mqtt")
    SigV4QueryAuth(Credentials(ACCESS, SECRET), "iotdevicegateway", REGION, expires=300).add_auth(request)
    (time,) = parse_qs(urlsplit(request.url).query)["X-Amz-Date"]
    when = datetime.strptime(time, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    appended = f"&X-Amz-Security-Token={quote(token, safe='')}" if token else ""
    given = {"accessKeyId": ACCESS, "secretAccessKey": SECRET, "sessionToken": token}
    assert signed_by_the_browser(given, when) == request.url + appended
