"""`make package`: the list of what a zip consists of, on zips made here. tests/e2e/test_stack.py has the real one."""

import hashlib
import json
import re
import zipfile
from pathlib import Path

import pytest

from local import package

PINS = f"""certifi==2026.1.1 --hash=sha256:{64 * "a"}
Py_Yaml==6.0 \\
    --hash=sha256:{64 * "b"} \\
    --hash=sha256:{64 * "c"}
"""
WHEELS = {
    "certifi-2026.1.1": "Name: certifi\nVersion: 2026.1.1\nSummary: Roots\nLicense: MPL-2.0\n",
    "py_yaml-6.0": "Name: py.yaml\nVersion: 6.0\nLicense-Expression: MIT OR Apache-2.0\nLicense: other\n",
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return packed(tmp_path / "functions.zip", WHEELS)


def packed(archive: Path, wheels: dict[str, str]) -> Path:
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr(zipfile.ZipInfo("requirements.txt"), f"# What the zip holds.\n{PINS}")
        for name, metadata in wheels.items():
            out.writestr(zipfile.ZipInfo(f"{name}.dist-info/METADATA"), f"Metadata-Version: 2.4\n{metadata}\nLong text")
    return archive


def test_the_list_names_each_package_with_the_hashes_of_its_wheels_and_its_licence(archive: Path) -> None:
    listed = json.loads(package.bill_of_materials(archive, "1.2.3"))
    assert {each["purl"]: [part["content"][0] for part in each["hashes"]] for each in listed["components"]} == {
        "pkg:pypi/certifi@2026.1.1": ["a"],
        "pkg:pypi/py-yaml@6.0": ["b", "c"],
    }
    assert [each["licenses"] for each in listed["components"]] == [
        [{"license": {"id": "MPL-2.0"}}],
        [{"expression": "MIT OR Apache-2.0"}],
    ]


def test_the_list_is_about_one_zip_and_the_same_each_time(archive: Path, tmp_path: Path) -> None:
    listed = package.bill_of_materials(archive, "1.2.3")
    assert listed == package.bill_of_materials(archive, "1.2.3")
    whole = json.loads(listed)["metadata"]["component"]
    assert (whole["name"], whole["version"]) == ("thingbridge", "1.2.3")
    assert whole["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(archive.read_bytes()).hexdigest()}]


@pytest.mark.parametrize("change", [{"py_yaml-6.0": ""}, {"more-1": "Name: more\nVersion: 1\n"}], ids=["less", "more"])
def test_a_zip_that_holds_other_packages_than_it_pins_is_not_listed(change: dict[str, str], tmp_path: Path) -> None:
    wheels = {name: text for name, text in (WHEELS | change).items() if text}
    with pytest.raises(
        package.PackageError, match=r"^functions\.zip and its requirements\.txt do not agree on (py-yaml 6.0|more 1)\.$"
    ):
        package.bill_of_materials(packed(tmp_path / "functions.zip", wheels), "1")


def test_the_wheels_are_those_for_the_runtime_that_functions_have_by_default() -> None:
    variables = (package.ROOT / "variables.tf").read_text()
    assert re.findall(r'runtime +=.*"python([\d.]+)"\)', variables) == [package.PYTHON_VERSION]
