"""Quantities of what is charged, each under the part of the bill that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cli.costs.prices import Item, Prices


@dataclass
class Usage:
    """Units by part and item. Parts are words for a person: "message in", "shadow"; they keep their order."""

    quantities: dict[tuple[str, Item], float] = field(default_factory=dict)

    @classmethod
    def of(cls, quantities: Iterable[tuple[str, Item, float]]) -> Usage:
        """A usage from (part, item, units)."""
        usage = cls()
        for part, item, units in quantities:
            usage.add(part, item, units)
        return usage

    def add(self, part: str, item: Item, units: float = 1.0) -> None:
        """Add units."""
        self.quantities[part, item] = self.quantities.get((part, item), 0.0) + units

    def __add__(self, other: Usage) -> Usage:
        return Usage.of((*self, *other))

    def __mul__(self, factor: float) -> Usage:
        return Usage.of((part, item, units * factor) for part, item, units in self)

    def __iter__(self) -> Iterator[tuple[str, Item, float]]:
        return ((part, item, units) for (part, item), units in self.quantities.items())

    def units(self, item: Item) -> float:
        """Units of an item in all parts."""
        return sum(units for _, each, units in self if each == item)

    def usd(self, prices: Prices) -> dict[str, float]:
        """USD by part."""
        parts: dict[str, float] = {}
        for part, item, units in self:
            parts[part] = parts.get(part, 0.0) + units * prices.usd[item]
        return parts


def total(parts: Mapping[str, float]) -> float:
    """The sum of the parts of a bill."""
    return sum(parts.values())
