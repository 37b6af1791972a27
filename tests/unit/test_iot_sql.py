"""The evaluator of AWS IoT's SQL gives the results of the examples in AWS's developer guide ("SQL reference")."""

import json
from typing import Any

import pytest

from tests import iot_sql
from tests.iot_sql import UNDEFINED, Message

COLOR = {"color": "red", "temperature": 50}
TRAFFIC_LIGHT = (
    "SELECT CASE color WHEN 'green' THEN 'go' WHEN 'yellow' THEN 'caution' WHEN 'red' THEN 'stop' "
    "ELSE 'you are not at a stop light' END as instructions FROM 'a/b'"
)


def message(body: Any, topic: str = "a/b") -> Message:
    return Message(topic, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("sql", "body", "expected"),
    [
        ("SELECT * FROM 'a/b'", COLOR, COLOR),
        ("SELECT color AS my_color FROM 'a/b'", COLOR, {"my_color": "red"}),
        (
            "SELECT color as my_color, temperature as fahrenheit FROM 'a/b'",
            COLOR,
            {"my_color": "red", "fahrenheit": 50},
        ),
        ("SELECT color.red as red_value FROM 'a/b'", {"color": {"red": 255, "green": 0}}, {"red_value": 255}),
        ("SELECT upper(color) as my_color FROM 'a/b'", COLOR, {"my_color": "RED"}),
        ("SELECT color AS my_color FROM 'a/b' WHERE temperature > 50 AND color <> 'red'", COLOR, None),
        (TRAFFIC_LIGHT, {"color": "yellow"}, {"instructions": "caution"}),
        # "Data types": the key foo is NULL, the key bar Undefined.
        ("SELECT foo AS foo, bar AS bar FROM 'a/b'", {"foo": None}, {"foo": None}),
    ],
)
def test_statements(sql: str, body: Any, expected: Any) -> None:
    assert iot_sql.run(sql, message(body)) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("concat()", UNDEFINED),
        ("concat(1)", "1"),
        ("concat([1, 2, 3], 4)", [1, 2, 3, 4]),
        ("concat([1, 2, 3], 'hello', [4, 5, 6])", [1, 2, 3, "hello", 4, 5, 6]),
        ('concat("con", "cat")', "concat"),
        ('concat(1, "hello")', "1hello"),
        ('concat("he","is","man")', "heisman"),
        ("isNull(5)", False),
        ("isNull(Null)", True),
        ("isNull(missing)", False),
        ("isUndefined(5)", False),
        ("isUndefined(Null)", False),
        ("isUndefined(missing)", True),
        ('replace("abcd", "bc", "x")', "axd"),
        ('replace("abcdabcd", "b", "x")', "axcdaxcd"),
        ('replace(Null, "b", "x")', UNDEFINED),
        ('upper("hello")', "HELLO"),
        ('upper(["hello"])', '["HELLO"]'),
        ("topic()", "things/myThings/thingOne"),
        ("topic(1)", "things"),
    ],
)
def test_functions(expression: str, expected: Any) -> None:
    assert iot_sql.evaluate(expression, message({}, "things/myThings/thingOne")) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("TRUE AND true", True),
        ("true AND false", False),
        ("'True' AND true", True),
        ("true AND missing", UNDEFINED),
        ("false AND 1", UNDEFINED),
        ("false OR true", True),
        ("true OR missing", UNDEFINED),
        ("NOT false", True),
        ("NOT 'TRUE'", False),
        ("NOT missing", UNDEFINED),
        ("1 = 1", True),
        ("1 = '1'", False),
        ("1 <> '1'", True),
        ("true = 1", False),
        ("missing <> 5", UNDEFINED),
        ("Null = Null", True),
        ("'2' < '10'", True),
        ("'abc' > 'abb'", UNDEFINED),
        ("'a' + 1", "a1"),
        ("1 + 2", 3),
        ("true + 1", UNDEFINED),
        ("CASE missing WHEN 1 THEN 2 ELSE 3 END", UNDEFINED),
        ("CASE 1 WHEN 2 THEN 3 END", UNDEFINED),
        ("CASE 1 WHEN 1 THEN 2 WHEN 1 THEN 3 END", 2),
    ],
)
def test_operators(expression: str, expected: Any) -> None:
    assert iot_sql.evaluate(expression, message({})) == expected


@pytest.mark.parametrize(
    ("pattern", "topics"),
    [("a/b", ["a/b"]), ("a/#", ["a/b", "a/c", "a/e/f"]), ("a/+", ["a/b", "a/c"])],
)
def test_topic_filters(pattern: str, topics: list[str]) -> None:
    sql = f"SELECT temperature AS t FROM '{pattern}'"  # noqa: S608 - no database
    assert [each for each in ("a/b", "a/c", "a/e/f", "b/x") if iot_sql.selects(sql, each)] == topics


def test_substitution_templates() -> None:
    assert iot_sql.substituted("${topic()}/republish", message({}, "my/iot/topic")) == "my/iot/topic/republish"
    assert iot_sql.substituted("$$aws/things/MyThing/shadow/update", message({})) == "$aws/things/MyThing/shadow/update"
