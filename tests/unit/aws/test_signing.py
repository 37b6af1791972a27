"""Signature Version 4: the cases of AWS's own test suite that a client here can meet, and what botocore signs."""

from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from thingbridge.aws.signing import Credentials, Signer

ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
AT = "20150830T123600Z"
HOST = {"host": "example.amazonaws.com"}
UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FORM = {**HOST, "content-type": "application/x-www-form-urlencoded"}


def signature(headers: dict[str, str]) -> str:
    return headers["authorization"].partition("Signature=")[2]


# AWS Signature Version 4 test suite (aws-sig-v4-test-suite), by the names of its files.
@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "body", "expected"),
    [
        pytest.param(*case[1:], id=str(case[0]))
        for case in (
            (
                "get-vanilla",
                "GET",
                "/",
                "",
                HOST,
                b"",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                *("get-vanilla-query-order-key-case", "GET", "/", "Param1=value1&Param2=value2", HOST, b""),
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                *("get-unreserved", "GET", f"/{UNRESERVED}", "", HOST, b""),
                "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            ),
            (
                "get-utf8",
                "GET",
                "/ሴ",
                "",
                HOST,
                b"",
                "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
            ),
            (
                *("get-space", "GET", "/example space/", "", HOST, b""),
                "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
            ),
            (
                "post-vanilla",
                "POST",
                "/",
                "",
                HOST,
                b"",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                *("post-x-www-form-urlencoded", "POST", "/", "", FORM, b"Param1=value1"),
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        )
    ],
)
def test_the_signature_is_that_of_aws_test_suite(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes, expected: str
) -> None:
    signer = Signer(Credentials(ACCESS_KEY, SECRET_KEY, None), "us-east-1", "service")
    signed = signer.signed(method, path, query, headers, body, AT)
    assert signature(signed) == expected
    assert signed.items() >= headers.items()


def test_the_authorization_names_the_key_its_scope_and_the_headers() -> None:
    signer = Signer(Credentials(ACCESS_KEY, SECRET_KEY, "a/token"), "us-east-1", "service")
    signed = signer.signed("GET", "/", "", HOST, b"", AT)
    assert signed["x-amz-security-token"] == "a/token"
    assert signed["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date;x-amz-security-token, Signature="
    )


@pytest.mark.parametrize("token", [None, "IQoJb3JpZ2luX2VjE/A+b=="])
@pytest.mark.parametrize(
    ("path", "query", "more", "body"),
    [
        ("/topics/lorawan%2Fbarn%2Fuplink", "qos=1", {"content-type": "application/octet-stream"}, b'{"a": 1}'),
        ("/topics/a%20b%2F%C3%BC%2B%25%7E~", "qos=1", {}, b""),
        ("/things/barn%3A7/shadow", "name=lorawan", {}, bytes(range(256)) * 512),
        ("/", "", {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage"}, b"{}"),
    ],
)
def test_the_signature_is_that_of_botocore(
    token: str | None, path: str, query: str, more: dict[str, str], body: bytes
) -> None:
    signer = Signer(Credentials(ACCESS_KEY, SECRET_KEY, token), "eu-west-1", "iotdata")
    signer.signed("GET", "/", "", HOST, b"", "20260101T235959Z")  # the day before has another key
    for at in ("20260102T000000Z", "20260102T030405Z"):
        signed = signer.signed("POST", path, query, {**HOST, **more}, body, at)
        assert signature(signed) == signature_of_botocore(path, query, signed, body, at)


def signature_of_botocore(path: str, query: str, signed: dict[str, str], body: bytes, at: str) -> str:
    headers = {name: value for name, value in signed.items() if name != "authorization"}
    url = f"https://example.amazonaws.com{path}{'?' if query else ''}{query}"
    request: Any = AWSRequest("POST", url, headers, body)
    request.context["timestamp"] = at
    auth: Any = SigV4Auth(BotocoreCredentials(ACCESS_KEY, SECRET_KEY), "iotdata", "eu-west-1")
    return str(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))
