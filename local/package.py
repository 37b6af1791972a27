"""`make package`: the functions' zip as an apply builds it, its hash, and the list of what it consists of (SBOM).

For whoever deploys the same reviewed zip everywhere: `package = { filename = "…", sha256 = "…" }`. The bytes are the
same on every machine and so is the list, a CycloneDX document that is read from the zip itself: what lies in it, from
which wheel with which hash, under which licence. The zip is written by modules/package/build.py.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path
from uuid import UUID, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "lambda_src"
BUILDER = ROOT / "modules" / "package" / "build.py"
DIRECTORY = ROOT / "dist"
ARCHIVE, LIST, SUMS = "functions.zip", "functions.cdx.json", "SHA256SUMS"
PYTHON_VERSION = "3.13"
_NAMESPACE = UUID("5b5a8f0e-6b7c-5d53-9a57-3f7f6f3b0d8e")  # of the serial numbers: any constant will do
_PIN = re.compile(r"^([\w.-]+)==(\S+)((?:\s+\\?\s*--hash=sha256:[0-9a-f]{64})+)", re.MULTILINE)


class PackageError(Exception):
    """The zip can't be built, or holds what its requirements do not pin; the message says what."""


@dataclass(frozen=True)
class Pinned:
    """A package of requirements.txt: its name as pip compares it, its version, and the SHA-256 of its wheels."""

    name: str
    version: str
    hashes: tuple[str, ...]


def sources(folder: Path = SOURCES) -> list[str]:
    """The files of the zip that are no dependency, by the rule of modules/package/main.tf."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix in (".json", ".py", ".txt"))
    return sorted(str(path) for path in found if not any(part.startswith(".") for part in path.parts))


def build(archive: Path) -> None:
    """Write the zip, as an apply does. Raises PackageError."""
    order = {
        "source": str(SOURCES),
        "files": sources(),
        "codecs": {},
        "requirements": "requirements.txt",
        "python_version": PYTHON_VERSION,
        "platform": "any",
        "top": "",
        "zip": str(archive),
        "stamp": f"{archive}.built",
        "built_at": "",
    }
    archive.unlink(missing_ok=True)  # One that is intact would be kept, whatever its sources were.
    command = [sys.executable, str(BUILDER), json.dumps(order)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackageError(done.stderr.strip())
    Path(order["stamp"]).unlink()


def pinned(requirements: str) -> list[Pinned]:
    """What a requirements.txt pins."""
    return [
        Pinned(_normal(name), version, tuple(re.findall(r"[0-9a-f]{64}", hashes)))
        for name, version, hashes in _PIN.findall(requirements)
    ]


def bill_of_materials(archive: Path, version: str) -> str:
    """What a zip consists of, as CycloneDX JSON; `version` is that of this project. Raises PackageError."""
    with zipfile.ZipFile(archive) as packed:
        pins = {(each.name, each.version): each for each in pinned(packed.read("requirements.txt").decode())}
        found = {(_normal(str(each["Name"])), str(each["Version"])): each for each in _metadata(packed)}
    if found.keys() != pins.keys():
        differing = ", ".join(" ".join(each) for each in sorted(found.keys() ^ pins.keys()))
        raise PackageError(f"{archive.name} and its requirements.txt do not agree on {differing}.")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    whole = Component(
        type=ComponentType.APPLICATION,
        name="thingbridge",
        version=version,
        bom_ref="thingbridge",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        licenses=[LicenseFactory().make_from_string("Apache-2.0")],
    )
    parts = [_component(pins[key], metadata) for key, metadata in sorted(found.items())]
    bom = Bom(
        serial_number=uuid5(_NAMESPACE, digest),
        metadata=BomMetaData(component=whole),
        components=parts,
    )
    bom.metadata.timestamp = None  # The same zip has the same list, whenever it is written.
    bom.register_dependency(whole, parts)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _component(pin: Pinned, metadata: Message) -> Component:
    url = PackageURL(type="pypi", name=pin.name, version=pin.version)
    return Component(
        type=ComponentType.LIBRARY,
        name=pin.name,
        version=pin.version,
        bom_ref=str(url),
        purl=url,
        description=metadata["Summary"],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in pin.hashes],
        licenses=_licenses(metadata),
    )


def _licenses(metadata: Message) -> list[License]:
    stated = metadata["License-Expression"] or metadata["License"]
    return [LicenseFactory().make_from_string(str(stated))] if stated else []


def _metadata(packed: zipfile.ZipFile) -> Iterator[Message]:
    """The metadata of each wheel that was unpacked into the zip."""
    for name in packed.namelist():
        if re.fullmatch(r"[^/]+\.dist-info/METADATA", name):
            yield Parser().parsestr(packed.read(name).decode())


def _normal(name: str) -> str:
    """A name as PEP 503 compares them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Write zip, list and hashes, and show how the zip is used."""
    DIRECTORY.mkdir(exist_ok=True)
    archive, listed = DIRECTORY / ARCHIVE, DIRECTORY / LIST
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    build(archive)
    listed.write_text(bill_of_materials(archive, project["version"]), encoding="utf-8")
    hashes = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (archive, listed)}
    (DIRECTORY / SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in hashes.items()), encoding="utf-8")
    print(f"{archive.relative_to(ROOT)}, {listed.relative_to(ROOT)} and {SUMS}. To deploy this zip and no other:\n")
    print(f'  package = {{\n    filename = "{ARCHIVE}"\n    sha256   = "{hashes[ARCHIVE]}"\n  }}')


if __name__ == "__main__":
    try:
        main()
    except PackageError as error:
        sys.exit(str(error))
