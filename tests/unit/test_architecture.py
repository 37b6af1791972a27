"""The rooms of `lambda_src` and the arrows between them, read from the imports of its files.

    handlers → flows → aws, things_stack → messaging, shadow, registry, devices, telemetry, encryption → lorawan

A file imports from its own room and from rooms below it; rooms of one layer may use each other as long as no circle
arises. The root modules (errors, diagnostics, metrics, pacing) are for all. Tests give a flow its collaborators as
arguments: they patch no module.
"""

import ast
import functools
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

LAMBDA_SRC: Final = Path(__file__).parents[2] / "lambda_src"
TESTS: Final = Path(__file__).parents[1]
PURE: Final = ("messaging", "shadow", "registry", "devices", "telemetry", "encryption", "lorawan")
LAYERS: Final = (
    {"handlers"},
    {"flows"},
    {"aws", "things_stack"},
    {"messaging", "shadow", "registry", "devices", "telemetry", "encryption"},
    {"lorawan"},
    {"root"},
)
LONGEST_ENTRY_POINT: Final = 35
SHARED_BY_ENTRY_POINTS: Final = {"batches", "composition", "settings"}


def module_name(path: Path) -> str:
    parts = path.relative_to(LAMBDA_SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES: Final = {
    module_name(path): path for package in ("handlers", "thingbridge") for path in (LAMBDA_SRC / package).rglob("*.py")
}


def room(module: str) -> str:
    """The room of a module: `handlers`, a package of `thingbridge`, or `root`."""
    parts = module.split(".")
    if parts[0] == "handlers":
        return "handlers"
    return parts[1] if len(parts) > 1 and f"thingbridge.{parts[1]}" in PACKAGES else "root"


ENTRY_POINTS: Final = sorted(
    name for name, path in FILES.items() if name.startswith("handlers.") and path.stem not in SHARED_BY_ENTRY_POINTS
)
PACKAGES: Final = {name for name, path in FILES.items() if path.name == "__init__.py"}


@functools.cache
def imports(module: str) -> tuple[str, ...]:
    """What a module imports, wherever in the file: full names, down to the module that is meant."""
    return tuple(_imports(module))


def _imports(module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            source = str(node.module)
            for alias in node.names:
                full = f"{source}.{alias.name}"
                yield full if full in FILES else source


def own(module: str) -> set[str]:
    return {each for each in imports(module) if each in FILES and each != module}


def others(module: str) -> set[str]:
    """The packages from outside `lambda_src` that a module imports."""
    return {each.split(".")[0] for each in imports(module) if each not in FILES}


def layer(name: str) -> int:
    return next(number for number, rooms in enumerate(LAYERS) if name in rooms)


def test_every_package_is_a_room_of_the_plan() -> None:
    rooms = {room(module) for module in FILES}
    assert rooms == set().union(*LAYERS)


@pytest.mark.parametrize("module", sorted(FILES))
def test_a_module_imports_only_from_its_own_layer_and_those_below(module: str) -> None:
    upwards = {each for each in own(module) if layer(room(each)) < layer(room(module))}
    assert not upwards


def test_rooms_use_each_other_without_a_circle() -> None:
    arrows: dict[str, set[str]] = defaultdict(set)
    for module in FILES:
        arrows[room(module)] |= {room(each) for each in own(module)} - {room(module)}
    TopologicalSorter(arrows).prepare()


def test_modules_import_each_other_without_a_circle() -> None:
    TopologicalSorter({module: own(module) for module in FILES}).prepare()


@pytest.mark.parametrize(
    ("package", "rooms"),
    [
        ("boto3", {"aws"}),
        ("botocore", {"aws"}),
        ("requests", {"things_stack"}),
        ("cryptography", {"encryption", "lorawan"}),
        ("os", {"handlers", "root"}),
        ("signal", {"flows"}),
    ],
)
def test_a_package_is_imported_only_by_the_room_that_is_for_it(package: str, rooms: set[str]) -> None:
    importing = {room(module) for module in FILES if package in others(module)}
    assert importing == rooms


def test_pure_rooms_have_neither_input_and_output_nor_a_clock() -> None:
    impure = {"http", "os", "pathlib", "random", "secrets", "socket", "subprocess", "threading", "time", "urllib"}
    found = {module: others(module) & impure for module in FILES if room(module) in PURE}
    # `http.HTTPStatus` names statuses.
    found["thingbridge.messaging.webhook"] -= {"http"}
    assert not {module: names for module, names in found.items() if names}


def test_the_product_knows_nothing_of_what_surrounds_it() -> None:
    surroundings = {"benchmarks", "cli", "local", "tests"}
    assert not {module for module in FILES if others(module) & surroundings}


@pytest.mark.parametrize("module", ENTRY_POINTS)
def test_an_entry_point_is_short_enough_to_read_at_a_glance(module: str) -> None:
    assert len(FILES[module].read_text().splitlines()) <= LONGEST_ENTRY_POINT


def names_used(path: Path) -> set[str]:
    """The attributes that a file uses, and the modules it imports from."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return attributes | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}


def test_no_test_patches_a_module_or_clears_a_cache() -> None:
    patching = {"setattr", "cache_clear", "mock", "unittest.mock"}
    assert not {path for path in TESTS.rglob("*.py") if names_used(path) & patching}
