"""The latest release of Thingbridge: the only request over HTTP that goes neither to AWS nor to The Things Stack.

It is the one of the releases API of GitHub, GitLab and Gitea for the latest release, whose answer has a `tag_name`.
Nothing about the stack is sent.
"""

import json
import re
from typing import Final

import requests

TIMEOUTS: Final = (3.05, 5.0)
"""Seconds to connect and to wait for an answer."""

LONGEST_ANSWER: Final = 200_000

_VERSION: Final = re.compile(r"v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})", re.ASCII)

Version = tuple[int, int, int]


def version(text: object) -> Version | None:
    """`1.2.3` or `v1.2.3` as numbers; None for anything else, such as a version before a release."""
    match = _VERSION.fullmatch(text) if isinstance(text, str) else None
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def latest(url: str) -> Version | None:
    """The version of the latest release, None if it can't be found out: no network, another answer, no release."""
    try:
        with requests.get(url, timeout=TIMEOUTS, headers={"Accept": "application/json"}, stream=True) as response:
            body = response.raw.read(LONGEST_ANSWER, decode_content=True) if response.ok else b"{}"
        answer = json.loads(body)
    except (requests.RequestException, OSError, ValueError, RecursionError):
        return None
    return version(answer.get("tag_name")) if isinstance(answer, dict) else None
