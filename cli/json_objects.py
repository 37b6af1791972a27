"""The values of a JSON text, one by one and in any layout: an object a line, indented objects, or a list of them.

The text is read once, and only one value is in memory. A value that is cut off ends where the next one starts on a line
of its own, so that one mistake is not a mistake of the rest of the file. What a value means: device_record.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, TextIO

_PIECE: Final = 65536
"""Characters of a line that are read at once: a list of many devices may be on one line."""

_STRUCTURE: Final = re.compile(r'["{}\[\]]')
_NO_VALUE: Final = re.compile(r"[^,\]{\n]+")
_IN_TEXT: Final = re.compile(r'\\.|"', re.DOTALL)


@dataclass(frozen=True)
class Part:
    """The text of one value, not parsed yet. `number`: the line where it starts, counted from 1.

    Values that start on one line are counted on, so that no two have the same number. `closed`: False for the last one
    if the text ends within it.
    """

    number: int
    text: str
    closed: bool = True


def parts(file: TextIO) -> Iterator[Part]:
    """The values of a text; those of a list are taken out of it. Anything else is a part as well, which can't be read.

    A list that is not closed ends with an empty part. Commas between values are not required.
    """
    reader = _Reader()
    while piece := file.readline(_PIECE):
        yield from reader.read(piece)
    yield from reader.end()


class _Reader:
    def __init__(self) -> None:
        self._line = 1
        self._line_starts = True
        self._last = 0
        self._listed = False
        self._depth = 0
        self._in_text = False
        self._held = ""
        self._value: list[str] = []
        self._started = 0

    def read(self, piece: str) -> Iterator[Part]:
        """The values that end in a piece of a line."""
        if self._line_starts and self._depth and piece[0] in "{[":
            yield self._taken()
        piece, self._held = self._held + piece, ""
        at = 0
        while at < len(piece):
            if self._depth:
                at = self._inside(piece, at)
                if not self._depth:
                    yield self._taken()
            else:
                at, garbage = self._between(piece, at)
                if garbage:
                    self._start(garbage)
                    yield self._taken()
        self._line_starts = piece.endswith("\n")
        if self._line_starts:
            self._line += 1
            # JSON has no line break in a text: it was not closed.
            self._in_text = False

    def end(self) -> Iterator[Part]:
        """What is left when the text ends."""
        if self._depth:
            yield replace(self._taken(), closed=False)
        elif self._listed:
            self._start("")
            yield replace(self._taken(), closed=False)

    def _between(self, piece: str, at: int) -> tuple[int, str]:
        """Go on to the next value, or return what is there instead of one."""
        character = piece[at]
        if character.isspace() or character == ",":
            return at + 1, ""
        if character == "]" and self._listed:
            self._listed = False
            return at + 1, ""
        if character == "[" and not self._listed:
            self._listed = True
            return at + 1, ""
        if character in "{[":
            self._start(character)
            self._depth = 1
            return at + 1, ""
        found = _NO_VALUE.match(piece, at)
        end = found.end() if found else at + 1
        return end, piece[at:end]

    def _inside(self, piece: str, at: int) -> int:
        """Go on to the next character that counts, or to the end of the value."""
        found = (_IN_TEXT if self._in_text else _STRUCTURE).search(piece, at)
        if found is None:
            # A backslash at the end escapes the first character of the next piece.
            held = self._in_text and piece.endswith("\\")
            self._value.append(piece[at:-1] if held else piece[at:])
            self._held = piece[-1] if held else ""
            return len(piece)
        self._value.append(piece[at : found.end()])
        sign = found.group()
        if sign == '"':
            self._in_text = not self._in_text
        elif not sign.startswith("\\"):
            self._depth += 1 if sign in "{[" else -1
        return found.end()

    def _start(self, text: str) -> None:
        self._started = max(self._line, self._last + 1)
        self._value = [text]

    def _taken(self) -> Part:
        part = Part(self._started, "".join(self._value))
        self._last, self._value, self._depth, self._in_text = self._started, [], 0, False
        return part
