"""Writes the zip of the functions or of their layer: sources and pinned wheels, byte for byte the same everywhere.

Terraform runs it with one argument, a JSON object: `source` (folder), `files` (paths below it, as Terraform hashed
them), `codecs` (path in the zip → file), `requirements` (one of the files), `python_version` ("3.13"), `platform`
("any", which leaves wheels without machine code, or such as "manylinux2014_aarch64"), `top` (folder in the zip that
holds everything, "" for none), `zip` and `stamp` (files to write) and `built_at` (what goes into the stamp).
Which files the zip holds is decided by Terraform, not here. Needs only the standard library and pip.

How the bytes stay the same: pip only downloads, checking each wheel against its hash, and wheels are unpacked
here, as pip would add files of its own; entries are sorted, not compressed, and have one time and one mode.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold
_MODE = 0o100644 << 16  # a regular file, readable by the account the function runs as
_UNIX = 3


class BuildError(Exception):
    """The zip can't be built; the message says why and how to fix it."""


def main() -> None:
    order = json.loads(sys.argv[1])
    archive, stamp = Path(order["zip"]), Path(order["stamp"])
    archive.parent.mkdir(parents=True, exist_ok=True)
    # The name holds the hash of all inputs: an intact zip of that name is the right one, and nothing is downloaded.
    if not _intact(archive):
        source = Path(order["source"])
        contents = dependencies(source / order["requirements"], order["python_version"], order["platform"])
        contents = entries(source, order["files"], contents)
        contents |= {name: Path(path).read_bytes() for name, path in order["codecs"].items()}
        write_zip(archive, contents, order["top"])
    _write(stamp, order["built_at"].encode())


def entries(source: Path, files: list[str], dependencies: dict[str, bytes]) -> dict[str, bytes]:
    """Path in the zip -> content. Raises BuildError when a dependency would hide a source."""
    contents = dict(dependencies)
    for name in files:
        if name in contents:
            raise BuildError(f"{name} is in the sources and in a dependency: rename the source.")
        contents[name] = (source / name).read_bytes()
    return contents


def write_zip(archive: Path, contents: dict[str, bytes], top: str) -> None:
    """Write the zip, its entries below `top`, sorted and without anything of this machine or this moment."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as out:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(f"{top}/{name}" if top else name, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = _MODE
            out.writestr(entry, contents[name])
    _write(archive, packed.getvalue())


def dependencies(requirements: Path, python_version: str, platform: str) -> dict[str, bytes]:
    """Path -> content of everything in the wheels that are pinned. Raises BuildError when one can't be downloaded."""
    lines = (line.strip() for line in requirements.read_text(encoding="utf-8").splitlines())
    if not any(line and not line.startswith("#") for line in lines):
        return {}
    with tempfile.TemporaryDirectory() as folder:
        _download(requirements, python_version, platform, folder)
        contents: dict[str, bytes] = {}
        for wheel in sorted(Path(folder).glob("*.whl")):
            contents.update(_unpacked(wheel))
        return contents


def _download(requirements: Path, python_version: str, platform: str, folder: str) -> None:
    # The tags describe Lambda, whatever machine this is.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--require-hashes", "--only-binary", ":all:", "--no-deps", "--dest", folder]
    command += ["--python-version", python_version, "--platform", platform]
    command += ["--implementation", "py", "--abi", "none"] if platform == "any" else ["--implementation", "cp"]
    command += ["--requirement", str(requirements)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return
    if "No module named pip" in run.stderr:
        raise BuildError(f"{sys.executable} has no pip: install it, or use a prebuilt zip.")
    errors = [line for line in run.stderr.splitlines() if line.strip()] or ["pip reported no error"]
    print("\n".join(errors), file=sys.stderr)
    raise BuildError(f"pip could not download what {requirements} pins; see its error above, or use a prebuilt zip.")


def _unpacked(wheel: Path) -> dict[str, bytes]:
    contents = {}
    with zipfile.ZipFile(wheel) as packed:
        for entry in packed.infolist():
            top = entry.filename.split("/", 1)[0]
            if top.endswith(".data"):
                outside = f"{wheel.name} puts files outside of its packages ({entry.filename})"
                raise BuildError(f"{outside}: pin another version, or use a prebuilt zip.")
            if not entry.is_dir():
                contents[entry.filename] = packed.read(entry)
    return contents


def _intact(archive: Path) -> bool:
    try:
        with zipfile.ZipFile(archive) as packed:
            return packed.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def _write(path: Path, content: bytes) -> None:
    """In one step: neither a parallel build nor an interrupted one leaves half a file under its name."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".building-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise


if __name__ == "__main__":
    try:
        main()
    except BuildError as error:
        sys.exit(f"The functions' zip was not built: {error}")
