"""The SQL of AWS IoT rules as its developer guide documents it, version 2016-03-23: the part that our rules use.

The local AWS evaluates less of it, and no substitution template in a republish action. So rules that need more are
planned, and their statements are evaluated here. tests/unit/test_iot_sql.py holds this to the guide's own examples.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final


class _Undefined:
    def __repr__(self) -> str:
        return "Undefined"


UNDEFINED: Final = _Undefined()
"""What an attribute is that a message does not have; not a value of JSON."""

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<string>'[^']*'|"[^"]*")|(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_]\w*(?:\.\w+)*)"""
    r"""|(?P<operator><>|<=|>=|[=<>()+,*\[\]]))"""
)
_KEYWORDS: Final = {"AND", "AS", "CASE", "ELSE", "END", "FROM", "NOT", "OR", "SELECT", "THEN", "WHEN", "WHERE"}
_LITERALS: Final[dict[str, Any]] = {"TRUE": True, "FALSE": False, "NULL": None}


@dataclass(frozen=True)
class Message:
    """A message that a rule reads. With Basic Ingest, `topic` is without `$aws/rules/<rule>/`."""

    topic: str
    published: bytes

    @property
    def body(self) -> Any:
        """The payload as JSON."""
        return json.loads(self.published)


def run(sql: str, message: Message) -> Any:
    """What a statement returns for a message that its FROM clause selects; None if its WHERE clause is not true."""
    return _Parser(sql, message).statement()


def selects(sql: str, topic: str) -> bool:
    """Whether the FROM clause of a statement matches a topic."""
    (pattern,) = re.findall(r"FROM '([^']+)'", sql)
    wanted, levels = pattern.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted, levels = wanted[:-1], levels[: len(wanted) - 1]
    return len(wanted) == len(levels) and all(each in ("+", level) for each, level in zip(wanted, levels, strict=True))


def substituted(template: str, message: Message) -> str:
    """A parameter of an action in which every `${expression}` is replaced; `$$` at its beginning stands for `$`."""

    def value(match: re.Match[str]) -> str:
        found = _text(_Parser(match[1], message).expression())
        assert isinstance(found, str), f"{match[1]} is {found}"
        return found

    replaced = re.sub(r"\$\{([^}]*)\}", value, template)
    return replaced[1:] if replaced.startswith("$$") else replaced


def evaluate(expression: str, message: Message) -> Any:
    """The value of an expression, which may be UNDEFINED."""
    return _Parser(expression, message).expression()


@dataclass
class _Parser:
    """Reads an expression and evaluates it at once: no operator here has effects, so order does not matter."""

    text: str
    message: Message
    position: int = field(default=0)

    def statement(self) -> Any:
        self._expect("SELECT")
        start = self.position
        while not self._take("FROM"):
            self._next()
        self._next()
        if self._take("WHERE") and self.expression() is not True:
            return None
        assert self._peek() is None, f"not understood: {self.text[self.position :]}"
        self.position = start
        return self._selected()

    def _selected(self) -> Any:
        if self._take("*"):
            assert self._take("FROM"), "* beside other items is not used here"
            return self.message.body
        output: dict[str, Any] = {}
        while True:
            value = self.expression()
            self._expect("AS")
            *parents, last = self._next().split(".")
            if value is not UNDEFINED:
                at = output
                for parent in parents:
                    at = at.setdefault(parent, {})
                at[last] = value
            if not self._take(","):
                return output

    # From the operator that binds least to the one that binds most.

    def expression(self) -> Any:
        value = self._conjunction()
        while self._take("OR"):
            value = _logical(any, value, self._conjunction())
        return value

    def _conjunction(self) -> Any:
        value = self._negation()
        while self._take("AND"):
            value = _logical(all, value, self._negation())
        return value

    def _negation(self) -> Any:
        if self._take("NOT"):
            return _logical(lambda operands: not operands[0], self._negation())
        return self._comparison()

    def _comparison(self) -> Any:
        value = self._sum()
        for operator in ("=", "<>", "<=", ">=", "<", ">"):
            if self._take(operator):
                return _compared(operator, value, self._sum())
        return value

    def _sum(self) -> Any:
        value = self._operand()
        while self._take("+"):
            value = _added(value, self._operand())
        return value

    def _operand(self) -> Any:
        token = self._next()
        word = token.upper()
        if token == "(":
            value = self.expression()
            self._expect(")")
            return value
        if token == "[":
            return self._until("]")
        if word == "CASE":
            return self._case()
        if token[0] in "'\"":
            return token[1:-1]
        if token[0].isdigit():
            return json.loads(token)
        if word in _LITERALS:
            return _LITERALS[word]
        assert token[0].isalpha(), f"{token} is not an operand"
        assert word not in _KEYWORDS, f"{token} is not an operand"
        return self._call(token.lower()) if self._take("(") else _attribute(self.message.body, token.split("."))

    def _case(self) -> Any:
        value, result, found = self.expression(), UNDEFINED, False
        while self._take("WHEN"):
            matches = _compared("=", value, self.expression()) is True
            self._expect("THEN")
            branch = self.expression()
            if matches and not found:
                result, found = branch, True
        if self._take("ELSE"):
            branch = self.expression()
            result = result if found or value is UNDEFINED else branch
        self._expect("END")
        return result

    def _call(self, name: str) -> Any:
        if name == "encode":
            self._expect("*")
            self._expect(",")
            assert self._next() == "'base64'"
            self._expect(")")
            return base64.b64encode(self.message.published).decode()
        arguments = self._until(")")
        if name == "topic":
            return self.message.topic.split("/")[arguments[0] - 1] if arguments else self.message.topic
        return _FUNCTIONS[name](*arguments)

    def _until(self, end: str) -> list[Any]:
        values: list[Any] = []
        while not self._take(end):
            values.append(self.expression())
            self._take(",")
        return values

    def _peek(self) -> str | None:
        match = _TOKEN.match(self.text, self.position)
        return match[0].strip() if match else None

    def _next(self) -> str:
        match = _TOKEN.match(self.text, self.position)
        assert match, f"not understood: {self.text[self.position :]}"
        self.position = match.end()
        return match[0].strip()

    def _take(self, token: str) -> bool:
        found = self._peek()
        if found is None or (found.upper() if token in _KEYWORDS else found) != token:
            return False
        self._next()
        return True

    def _expect(self, token: str) -> None:
        assert self._take(token), f"{token} is missing before: {self.text[self.position :]}"


def _attribute(body: Any, names: Sequence[str]) -> Any:
    for name in names:
        if not isinstance(body, Mapping) or name not in body:
            return UNDEFINED
        body = body[name]
    return body


def _logical(combine: Callable[[list[bool]], bool], *operands: Any) -> Any:
    """AND, OR and NOT: Undefined with an operand that is neither true nor false, as text or not."""
    texts = {"true": True, "false": False}
    converted = [texts.get(each.lower()) if isinstance(each, str) else each for each in operands]
    return combine(converted) if all(isinstance(each, bool) for each in converted) else UNDEFINED


def _compared(operator: str, left: Any, right: Any) -> Any:
    if UNDEFINED in (left, right):
        return UNDEFINED
    if operator in ("=", "<>"):
        # Values of different types are not equal, and Python's true is 1.
        equal = left == right and isinstance(left, bool) == isinstance(right, bool)
        return equal if operator == "=" else not equal
    first, second = _number(left), _number(right)
    if first is None or second is None:
        return UNDEFINED
    return {"<": first < second, ">": first > second, "<=": first <= second, ">=": first >= second}[operator]


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return float(value) if re.fullmatch(r"-?\d+(\.\d+)?([eE]-?\d+)?", value) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _added(left: Any, right: Any) -> Any:
    if isinstance(left, str) or isinstance(right, str):
        return _joined(left, right)
    numbers = [each for each in (left, right) if isinstance(each, int | float) and not isinstance(each, bool)]
    return sum(numbers) if len(numbers) == 2 else UNDEFINED


def _text(value: Any) -> Any:
    """The standard conversion to a string."""
    if value is UNDEFINED or value is None:
        return UNDEFINED
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _joined(*values: Any) -> Any:
    texts = [_text(each) for each in values]
    return UNDEFINED if UNDEFINED in texts else "".join(texts)


def _concat(*values: Any) -> Any:
    if len(values) < 2:
        return _text(values[0]) if values else UNDEFINED
    if any(isinstance(each, list) for each in values):
        return [item for each in values for item in (each if isinstance(each, list) else [each])]
    return _joined(*values)


def _of_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of strings: its arguments are converted, and without one of them its result is Undefined."""

    def call(*arguments: Any) -> Any:
        texts = [_text(each) for each in arguments]
        return UNDEFINED if UNDEFINED in texts else function(*texts)

    return call


_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "concat": _concat,
    "isnull": lambda value: value is None,
    "isundefined": lambda value: value is UNDEFINED,
    "replace": _of_text(str.replace),
    "upper": _of_text(str.upper),
}
