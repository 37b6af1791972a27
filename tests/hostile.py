"""Texts that an attacker puts where a name, an id or a value belongs.

Other than in `tests.malformed`, each is of the type that belongs there. What they try: to leave a path, a topic or an
ARN, to be read as another text, to be obeyed by a terminal, a log, a shell, a template or a spreadsheet.
"""

from typing import Final

from hypothesis import strategies as st

from tests.sizes import size

ESCAPING: Final = (
    "..",
    "/",
    "../../etc/passwd",
    "a/../b",
    "%2e%2e%2f",
    "..\\..\\x",
    "//host/share",
    "file:///etc/passwd",
)
WILDCARDS: Final = ("+", "#", "*", "?", "a/+/b", "tank-7/#", "$aws", "$aws/things/tank-7/shadow/update", "tank-*")
POLICIES: Final = ("${iot:Connection.Thing.ThingName}", "${topic()}", "arn:aws:iot:*:*:*", "arn:aws:iam::*:root")
LOOKALIKES: Final = (
    *(
        "tank-7\n",
        " tank-7",
        "tank-7 ",
        "TANK-7",
        "tank\u20117",
        "ｔａｎｋ－７",
        "t\u200bank-7",
        "\ufefftank-7",
        "tan\u212a-7",
    ),
    *("\u0130", "ﬃ", "e\u0301", "\u202e7-knat", "\u2066", "\ud800", "\udfff", "😀" * 100),
)
OBEYED: Final = (
    *("a\nb", "a\r\nSet-Cookie: a=b", "\t", "\0", "\b", "\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\x7f", "\u2028"),
    *("[red]x[/red]", "[/]", "[link=http://example.com]x[/link]", ":smile:", "<script>alert(1)</script>"),
)
INTERPRETED: Final = (
    *("'; DROP TABLE things; --", '"', "\\", "`id`", "$(id)", "; rm -rf /", "| cat", "{{7*7}}", "${7*7}", "%s%n%d"),
    *("%(x)s", "{0.__class__}", "__proto__", "constructor", "null", "NaN", "true", "1e999", "=1+1", "@SUM(1)"),
    *("-1", "=cmd|' /C calc'!A0", '{"a": 1}', "[1]", "AND 1=1", "rate(1 minute)"),
)
LONG: Final = ("A" * 10_000, "ü" * 10_000, "a/" * 5_000, "-" * 300, "0" * 5_000)

TEXTS: Final = (*ESCAPING, *WILDCARDS, *POLICIES, *LOOKALIKES, *OBEYED, *INTERPRETED, *LONG)

SOME: Final = TEXTS[:: size(5, 1)]
"""All of them under `make soak`; otherwise one in five, some of each kind."""


def texts() -> st.SearchStrategy[str]:
    """Any of them, alone or in another text, and any other text; halves of surrogate pairs too."""
    any_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)
    known = st.sampled_from(TEXTS)
    return st.one_of(known, any_text, st.tuples(any_text, known, any_text).map("".join))
