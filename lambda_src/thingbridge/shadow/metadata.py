"""The metadata of a shadow document: when AWS IoT last wrote each field, in whole Unix seconds."""

from collections.abc import Iterator


def timestamps(metadata: object) -> Iterator[int]:
    """The times of all values in a part of the metadata."""
    # A list has the metadata of each of its members.
    if isinstance(metadata, list):
        for each in metadata:
            yield from timestamps(each)
    elif isinstance(metadata, dict):
        for name, value in metadata.items():
            if name == "timestamp" and isinstance(value, int):
                yield value
            else:
                yield from timestamps(value)
