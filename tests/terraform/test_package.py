"""The functions' zip: the same bytes wherever and whenever it is built, and present whenever an apply needs it.

Nothing is downloaded: the dependency of these tests is a wheel written here.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[2] / "modules" / "package" / "build.py"
STAMP = "2026-01-02T03:04:05Z"


def make_wheel(folder: Path, tag: str = "py3-none-any", extra: dict[str, str] | None = None) -> str:
    """Write the wheel `pinned` 1.0 and return the line of requirements.txt that pins it."""
    folder.mkdir(exist_ok=True)
    wheel = folder / f"pinned-1.0-{tag}.whl"
    info = "pinned-1.0.dist-info"
    files = {
        "pinned/__init__.py": "VALUE = 7\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: pinned\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
        **(extra or {}),
    }
    record = [f"{name},sha256={_digest(text)},{len(text)}" for name, text in files.items()]
    with zipfile.ZipFile(wheel, "w") as out:
        for name, text in files.items():
            out.writestr(name, text)
        out.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,", ""]))
    return f"pinned==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def make_sources(folder: Path, requirements: str) -> Path:
    (folder / "handlers").mkdir(parents=True)
    (folder / "handlers" / "upstream.py").write_text("def handler(event, context): return event\n")
    (folder / "handlers" / "__init__.py").write_text("")
    (folder / "requirements.txt").write_text(requirements)
    return folder


def offline(wheels: Path) -> dict[str, str]:
    search_path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": search_path, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}


def build(
    source: Path,
    out: Path,
    wheels: Path,
    umask: int = 0o022,
    *,
    platform: str = "any",
    top: str = "",
    codecs: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    files = sorted(str(path.relative_to(source)) for path in source.rglob("*") if path.is_file())
    order = {
        "source": str(source),
        "files": files,
        "requirements": "requirements.txt",
        "codecs": codecs or {},
        "python_version": "3.13",
        "platform": platform,
        "top": top,
        "zip": str(out),
        "stamp": f"{out}.built",
        "built_at": STAMP,
    }
    command = [sys.executable, str(BUILD), json.dumps(order)]
    return subprocess.run(command, env=offline(wheels), umask=umask, capture_output=True, text=True, check=False)


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    requirements = make_wheel(tmp_path / "wheels")
    zips = []
    for number, umask in enumerate((0o022, 0o077)):
        source = make_sources(tmp_path / f"checkout-{number}" / "src", requirements)
        (source / "handlers" / "upstream.py").chmod(0o700 if number else 0o644)
        os.utime(source / "handlers" / "upstream.py", (number * 10**9, number * 10**9))
        out = tmp_path / f"out-{number}" / "functions.zip"
        done = build(source, out, tmp_path / "wheels", umask)
        assert done.returncode == 0, done.stderr
        zips.append(out.read_bytes())
    assert zips[0] == zips[1]


def test_the_zip_holds_sources_and_wheels_readable_by_all(tmp_path: Path) -> None:
    source = make_sources(tmp_path / "src", make_wheel(tmp_path / "wheels"))
    out = tmp_path / "functions.zip"
    assert build(source, out, tmp_path / "wheels", 0o077).returncode == 0
    with zipfile.ZipFile(out) as packed:
        names = packed.namelist()
        assert names == sorted(names)
        assert {"handlers/upstream.py", "pinned/__init__.py", "requirements.txt"} <= set(names)
        assert {(info.date_time, info.external_attr >> 16, info.compress_type) for info in packed.infolist()} == {
            ((1980, 1, 1, 0, 0, 0), 0o100644, zipfile.ZIP_STORED)
        }
    script = "import handlers.upstream, pinned; print(pinned.VALUE)"
    environment = {"PYTHONPATH": str(out)}
    run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert run.stdout == "7\n", run.stderr


@pytest.mark.parametrize(
    ("wheel", "requirements", "sentence"),
    [
        ({}, "pinned==1.0 --hash=sha256:" + 64 * "0", "pip could not download"),
        ({}, "pinned==1.0", "pip could not download"),
        ({"tag": "cp313-cp313-manylinux2014_x86_64"}, None, "pip could not download"),
        ({"extra": {"pinned-1.0.data/scripts/run": "x"}}, None, "puts files outside of its packages"),
        ({"extra": {"handlers/__init__.py": ""}}, None, "is in the sources and in a dependency"),
    ],
    ids=["another-hash", "no-hash", "machine-code", "files-outside", "hidden-source"],
)
def test_what_would_differ_or_surprise_is_rejected(
    wheel: dict[str, object], requirements: str | None, sentence: str, tmp_path: Path
) -> None:
    pinned = make_wheel(tmp_path / "wheels", **wheel)  # type: ignore[arg-type]
    source = make_sources(tmp_path / "src", requirements or pinned)
    done = build(source, tmp_path / "functions.zip", tmp_path / "wheels")
    assert done.returncode == 1
    assert "The functions' zip was not built: " in done.stderr
    assert sentence in done.stderr
    assert not list(tmp_path.glob("*.zip*"))


@pytest.mark.soak
def test_a_layer_holds_machine_code_for_its_own_processor_below_the_folder_lambda_looks_in(tmp_path: Path) -> None:
    requirements = make_wheel(tmp_path / "wheels", tag="cp313-abi3-manylinux2014_aarch64")
    (source := tmp_path / "src").mkdir()
    (source / "requirements.txt").write_text(requirements)
    layers = []
    for number in range(2):
        layers.append(tmp_path / str(number) / "layer.zip")
        done = build(source, layers[-1], tmp_path / "wheels", platform="manylinux2014_aarch64", top="python")
        assert done.returncode == 0, done.stderr
    assert layers[0].read_bytes() == layers[1].read_bytes()
    with zipfile.ZipFile(layers[0]) as packed:
        assert "python/pinned/__init__.py" in packed.namelist()
        assert all(name.startswith("python/") for name in packed.namelist())
    done = build(source, tmp_path / "other.zip", tmp_path / "wheels", platform="manylinux2014_x86_64", top="python")
    assert "pip could not download" in done.stderr


def test_an_intact_zip_is_kept_and_a_broken_one_is_not(tmp_path: Path) -> None:
    source = make_sources(tmp_path / "src", "")
    out = tmp_path / "functions.zip"
    build(source, out, tmp_path)
    whole, before = out.read_bytes(), out.stat().st_ino
    build(source, out, tmp_path)
    assert out.stat().st_ino == before
    out.write_bytes(whole[: len(whole) // 2])
    build(source, out, tmp_path)
    assert out.read_bytes() == whole


@pytest.fixture
def configuration(tmp_path: Path, tree: Path) -> Path:
    """A configuration that uses the module package alone, initialised."""
    make_sources(tmp_path / "src", "")
    (tmp_path / "main.tf").write_text(
        f"""module "package" {{
          source      = "{os.path.relpath(tree / "modules" / "package", tmp_path)}"
          name        = "farm"
          source_path = "${{path.module}}/src"
        }}
        output "code" {{ value = module.package.code }}"""
    )
    return tmp_path


def test_sources_come_with_requirements(
    configuration: Path, terraform: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (configuration / "src" / "requirements.txt").unlink()
    terraform(configuration, "init", "-no-color")
    planned = terraform(configuration, "plan", "-no-color", check=False)
    assert planned.returncode == 1
    message = " ".join(planned.stderr.replace("│", " ").split())
    assert 'source_path must hold a requirements.txt, which may be empty; got "./src".' in message


def test_an_apply_has_its_zip_wherever_the_last_one_is(
    configuration: Path, terraform: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    def changes() -> list[str]:
        planned = terraform(configuration, "plan", "-no-color", "-detailed-exitcode", "-out=plan", check=False)
        assert planned.returncode in (0, 2), planned.stderr
        shown = json.loads(terraform(configuration, "show", "-json", "plan").stdout)
        return [
            change["address"] for change in shown["resource_changes"] if change["change"]["actions"] != ["no-op"]
        ] + [f"output.{name}" for name, change in shown["output_changes"].items() if change["actions"] != ["no-op"]]

    def code() -> dict[str, str]:
        return dict(json.loads(terraform(configuration, "output", "-json", "code").stdout))

    built = "module.package.terraform_data.this[0]"
    terraform(configuration, "init", "-no-color")
    terraform(configuration, "apply", "-auto-approve", "-no-color")
    first = code()
    archive = configuration / first["filename"]
    bytes_before = archive.read_bytes()
    assert changes() == []

    # Files that running the functions here leaves beside them are not part of the zip.
    (configuration / "src" / "handlers" / "__pycache__").mkdir()
    (configuration / "src" / "handlers" / "__pycache__" / "upstream.cpython-311.pyc").write_bytes(b"x")
    (configuration / "src" / ".DS_Store").write_bytes(b"x")
    assert changes() == []

    # A fresh checkout, the state elsewhere: no function is touched, and the zip exists when the apply is done.
    archive.unlink()
    # Builds are distinguished by the time of their plan, in seconds: only a test is as quick as that.
    deadline = time.monotonic() + 10
    while not changes():
        assert time.monotonic() < deadline
    assert changes() == [built]
    terraform(configuration, "apply", "-auto-approve", "-no-color")
    assert archive.read_bytes() == bytes_before
    assert code() == first
    assert changes() == []

    (configuration / "src" / "handlers" / "upstream.py").write_text("def handler(event, context): return None\n")
    assert changes() == [built, "output.code"]
    terraform(configuration, "apply", "-auto-approve", "-no-color")
    second = code()
    assert second["source_code_hash"] != first["source_code_hash"]
    assert (configuration / second["filename"]).exists()
    assert str(configuration) not in (configuration / "terraform.tfstate").read_text()


def test_codecs_go_into_a_folder_of_their_own(tmp_path: Path) -> None:
    source = make_sources(tmp_path / "src", "")
    codec = tmp_path / "soil.py"
    codec.write_text("DEVICES = []\n")
    out = tmp_path / "functions.zip"
    assert build(source, out, tmp_path, codecs={"device_codecs/soil.py": str(codec)}).returncode == 0
    with zipfile.ZipFile(out) as packed:
        assert packed.read("device_codecs/soil.py") == b"DEVICES = []\n"
