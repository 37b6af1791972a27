"""Where Terraform's provider comes from: the order of the places, and what is explained."""

from __future__ import annotations

import shlex
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from local import terraform
from local.terraform import ProviderNotFound, ProviderSource, find_provider


def mirror(directory: Path, version: str = "5.100.0", *, target: str | None = None, packed: bool = False) -> Path:
    """A filesystem mirror in `directory` that holds the provider."""
    target = target or terraform.this_platform()
    provider = directory / "registry.terraform.io" / "hashicorp" / "aws"
    if packed:
        provider.mkdir(parents=True)
        (provider / f"terraform-provider-aws_{version}_{target}.zip").touch()
    else:
        (provider / version / target).mkdir(parents=True)
    return directory


class Machine:
    """A machine with an empty home and empty install roots, whose registry does not answer."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.roots = [directory / "opt", directory / "usr"]
        self.reachable = False
        self.probes = 0
        self.environment = {"HOME": str(self.home), "XDG_DATA_DIRS": str(directory / "share")}
        self.cache = directory / "cache"
        for path in (self.home, *self.roots):
            path.mkdir()

    def find(self) -> ProviderSource:
        def probe() -> bool:
            self.probes += 1
            return self.reachable

        return find_provider(self.environment, reachable=probe, roots=self.roots, cache=self.cache)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_users_plugin_directory_is_left_alone_and_the_registry_is_not_probed(machine: Machine) -> None:
    machine.environment["TF_CLI_ARGS_init"] = "-plugin-dir=/somewhere"
    assert machine.find().environment == {}
    assert machine.probes == 0


@pytest.mark.parametrize("named", [True, False], ids=["TF_CLI_CONFIG_FILE", "~/.terraformrc"])
def test_the_users_provider_installation_is_left_alone(machine: Machine, named: bool) -> None:
    file = machine.home / ("mine.tfrc" if named else ".terraformrc")
    file.write_text("provider_installation {\n  direct {}\n}\n")
    if named:
        machine.environment["TF_CLI_CONFIG_FILE"] = str(file)
    found = machine.find()
    assert found.environment == {}
    assert str(file) in found.explanation
    assert machine.probes == 0


def test_a_configuration_file_that_does_not_exist_says_nothing_and_is_kept_from_terraform(machine: Machine) -> None:
    machine.environment["TF_CLI_CONFIG_FILE"] = str(machine.home / "gone.tfrc")
    mirror(machine.roots[0])
    assert "-plugin-dir" in machine.find().environment["TF_CLI_ARGS_init"]
    assert "TF_CLI_CONFIG_FILE" not in terraform.cleaned(machine.environment)


def test_an_implied_mirror_comes_before_the_registry(machine: Machine) -> None:
    mirror(machine.home / ".terraform.d/plugins", "6.3.0")
    machine.reachable = True
    found = machine.find()
    assert found.environment == {}
    assert "6.3.0" in found.explanation
    assert machine.probes == 0


def test_the_registry_comes_before_a_mirror_elsewhere_and_downloads_once_for_all_stacks(machine: Machine) -> None:
    mirror(machine.roots[0])
    machine.reachable = True
    assert machine.find().environment == {
        "TF_PLUGIN_CACHE_DIR": str(machine.cache),
        "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "true",
    }
    assert machine.cache.is_dir()


def test_the_users_plugin_cache_is_kept(machine: Machine) -> None:
    machine.reachable = True
    machine.environment["TF_PLUGIN_CACHE_DIR"] = str(machine.home)
    assert machine.find().environment == {}


@pytest.mark.parametrize("below", [".", "plugins", "terraform/plug ins"], ids=["in it", "one below", "two below"])
def test_a_mirror_in_an_install_root_is_found(machine: Machine, below: str) -> None:
    directory = mirror(machine.roots[1] / below)
    (argument,) = shlex.split(machine.find().environment["TF_CLI_ARGS_init"])
    assert Path(argument.removeprefix("-plugin-dir=")) == directory


def test_other_arguments_of_the_user_are_kept(machine: Machine) -> None:
    mirror(machine.roots[0])
    machine.environment["TF_CLI_ARGS_init"] = "-upgrade"
    assert machine.find().environment["TF_CLI_ARGS_init"].startswith("-upgrade -plugin-dir=")


@pytest.mark.parametrize("changed", [{"version": "5.99.0"}, {"version": "7.0.0"}, {"target": "plan9_mips"}])
def test_a_mirror_without_a_usable_version_does_not_count(machine: Machine, changed: dict[str, Any]) -> None:
    mirror(machine.roots[0], **changed)
    with pytest.raises(ProviderNotFound):
        machine.find()


def test_a_packed_mirror_counts_and_the_newest_usable_version_is_named(machine: Machine) -> None:
    mirror(machine.roots[0], "5.100.0", packed=True)
    for version in ("6.9.0", "6.10.1", "7.1.0"):
        mirror(machine.roots[0], version)
    assert " 6.10.1 " in machine.find().explanation


def test_a_provider_that_is_nowhere_is_reported_in_one_sentence_with_the_fix(machine: Machine) -> None:
    with pytest.raises(ProviderNotFound, match=r"^Terraform's AWS provider \(5\.100 or newer.*`terraform providers mi"):
        machine.find()


@pytest.mark.parametrize("packed", [False, True], ids=["unpacked", "packed"])
def test_opentofu_takes_a_mirror_of_terraforms_under_the_name_of_its_own_registry(
    machine: Machine, packed: bool
) -> None:
    machine.environment["TERRAFORM"] = "/usr/local/bin/tofu"
    provider = mirror(machine.roots[0], packed=packed) / "registry.terraform.io" / "hashicorp" / "aws"
    # A second one of the same machine finds what the first has linked.
    for _ in range(2):
        (argument,) = shlex.split(machine.find().environment["TF_CLI_ARGS_init"])
        linked = Path(argument.removeprefix("-plugin-dir="))
        # OpenTofu follows a link in the place of the version alone.
        (link,) = [each for each in linked.rglob("*") if each.is_symlink()]
        assert link.relative_to(linked / "registry.opentofu.org/hashicorp/aws") == link.resolve().relative_to(provider)


def test_a_mirror_that_terraform_searches_by_default_is_none_that_opentofu_does(machine: Machine) -> None:
    machine.environment["TERRAFORM"] = "tofu"
    mirror(machine.home / ".terraform.d/plugins")
    found = machine.find()
    assert found.explanation.startswith("OpenTofu's AWS provider: 5.100.0 from the mirror in ")
    assert "-plugin-dir" in found.environment["TF_CLI_ARGS_init"]


@pytest.mark.parametrize(
    ("command", "name"),
    [(None, "Terraform"), ("terraform-1.12", "Terraform"), ("tofu", "OpenTofu"), ("/opt/tofu/bin/tofu", "OpenTofu")],
)
def test_what_runs_is_what_the_variable_names(command: str | None, name: str) -> None:
    used = terraform.tool({"TERRAFORM": command} if command else {})
    assert (used.name, used.command) == (name, command or "terraform")


def test_opentofu_reads_the_configuration_of_terraform_where_it_has_none_of_its_own(machine: Machine) -> None:
    machine.environment["TERRAFORM"] = "tofu"
    text = "provider_installation {\n  direct {}\n}\n"
    for name in (".terraformrc", ".tofurc"):
        (machine.home / name).write_text(text)
        assert str(machine.home / name) in machine.find().explanation


def test_a_registry_that_never_answers_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert not terraform.registry_answers([address, address], seconds=0.3)
        assert time.monotonic() - started < 2
