"""Files as other programs write them: each case has a file and what an import makes of it."""

from pathlib import Path
from typing import Any

from cli.device_file import DeviceFile, Row
from tests import cases


def read(directory: Path, text: str, encoding: str = "utf-8") -> tuple[list[Row], DeviceFile]:
    path = directory / "devices"
    path.write_bytes(text.encode(encoding))
    file = DeviceFile(path)
    return list(file.rows()), file


def made(rows: list[Row]) -> list[dict[str, str]]:
    """The attributes of the things; no row may have failed."""
    assert [row.fault for row in rows] == ["" for _ in rows]
    return [dict(row.device.attributes) for row in rows if row.device]


def test_regional_parameters_are_read_by_the_name_of_their_specification(tmp_path: Path) -> None:
    case: Any = cases.load("6-regional-parameters-by-specification")
    rows, _ = read(tmp_path, case["text"])
    for name, expected in case["expected"].items():
        assert [attributes[name] for attributes in made(rows)] == expected
