"""Which Terraform is run, and where its AWS provider comes from on this machine, decided in a few seconds and explained
in one line.

TERRAFORM names the command; one that is called tofu is OpenTofu, which has a registry of its own.

Whether it is installed and new enough: local/bootstrap.py. Running it: local/stack.py.
`python -m local.terraform` prints the decision.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import platform
import re
import shlex
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROBE_SECONDS = 3.0
PROVIDER = "hashicorp/aws"
# The range of the root module's versions.tf.
VERSIONS = ((5, 100, 0), (7, 0, 0))


@dataclass(frozen=True)
class Tool:
    """Terraform or OpenTofu: its command, its registry, and the host of the files that this one names."""

    name: str
    command: str
    registry: str
    files: str

    @property
    def addresses(self) -> tuple[str, str]:
        """What `init` must reach to download the provider."""
        return f"https://{self.registry}/.well-known/terraform.json", self.files

    @property
    def provided(self) -> str:
        """How an explanation begins."""
        return f"{self.name}'s AWS provider:"


TERRAFORM = Tool("Terraform", "terraform", "registry.terraform.io", "https://releases.hashicorp.com/index.json")
OPENTOFU = Tool("OpenTofu", "tofu", "registry.opentofu.org", "https://github.com/")


def tool(environment: Mapping[str, str]) -> Tool:
    """The one that TERRAFORM names, by its name or its path; Terraform by default."""
    command = environment.get("TERRAFORM") or TERRAFORM.command
    known = OPENTOFU if Path(command).name.startswith(OPENTOFU.command) else TERRAFORM
    return replace(known, command=command)


class ProviderNotFound(Exception):
    """The provider was not found; the message is one sentence that says how to get it."""


@dataclass(frozen=True)
class ProviderSource:
    """The decision: environment variables for Terraform, and the reason."""

    explanation: str
    environment: Mapping[str, str] = field(default_factory=dict)


def find_provider(
    environment: Mapping[str, str],
    *,
    reachable: Callable[[], bool] | None = None,
    roots: Iterable[Path] | None = None,
    cache: Path = ROOT / ".local" / "cache" / "terraform-providers",
) -> ProviderSource:
    """Decide where `terraform init` gets the AWS provider; raises ProviderNotFound.

    In this order: what the user has set; the directories that Terraform searches before any registry; the registry; a
    filesystem mirror in one of the usual install roots.
    """
    used = tool(environment)
    return (
        _set_by_user(environment, used)
        or _implied(environment, used)
        or (_registry(environment, used, cache) if (reachable or partial(registry_answers, used.addresses))() else None)
        or _installed(environment, used, roots if roots is not None else install_roots(environment), cache)
        or _none(used)
    )


def for_shells(environment: Mapping[str, str]) -> dict[str, str]:
    """What a `terraform init` of the user's own needs in its shell where it would not find the provider by itself:
    offline, the mirror that is used here. Empty otherwise."""
    try:
        found = find_provider(environment).environment
    except ProviderNotFound:
        return {}
    return {name: value for name, value in found.items() if name == "TF_CLI_ARGS_init"}


def cleaned(environment: Mapping[str, str]) -> dict[str, str]:
    """Without a TF_CLI_CONFIG_FILE that does not exist: Terraform would warn about it in every command."""
    named = environment.get("TF_CLI_CONFIG_FILE")
    return {
        name: value
        for name, value in environment.items()
        if name != "TF_CLI_CONFIG_FILE" or (named and Path(named).is_file())
    }


def registry_answers(addresses: Iterable[str], seconds: float = PROBE_SECONDS) -> bool:
    """Whether all these addresses answer within `seconds`, name resolution included."""

    def answers(address: str) -> bool:
        try:
            request = urllib.request.Request(address, method="HEAD")
            with urllib.request.urlopen(request, timeout=seconds):
                return True
        except urllib.error.HTTPError:
            return True
        except (OSError, ValueError):
            return False

    addresses = list(addresses)
    pool = concurrent.futures.ThreadPoolExecutor(len(addresses))
    try:
        # A resolver that hangs ignores the time-out, hence the threads, which are abandoned.
        return all(pool.map(answers, addresses, timeout=seconds))
    except TimeoutError:
        return False
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def this_platform() -> str:
    """The platform as Terraform names it: "linux_amd64", "darwin_arm64"."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}_{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(machine, machine) }"


def mirrored_version(mirror: Path, registry: str = TERRAFORM.registry) -> str | None:
    """The newest usable version in a mirror (the directory that holds `registry.terraform.io`), or None.

    Both of Terraform's layouts count: unpacked (`<version>/<os>_<arch>/`) and packed
    (`terraform-provider-aws_<version>_<os>_<arch>.zip`).
    """
    target = this_platform()
    found: set[tuple[int, ...]] = set()
    for entry in _children(mirror / registry / PROVIDER):
        unpacked = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", entry.name)
        packed = re.fullmatch(rf"terraform-provider-aws_(\d+)\.(\d+)\.(\d+)_{target}\.zip", entry.name)
        if (unpacked and (entry / target).is_dir()) or packed:
            found.add(tuple(int(part) for part in (unpacked or packed).groups()))  # type: ignore[union-attr]
    usable = [version for version in found if VERSIONS[0] <= version < VERSIONS[1]]
    return ".".join(str(part) for part in max(usable)) if usable else None


def implied_directories(environment: Mapping[str, str]) -> list[Path]:
    """Where Terraform looks for a mirror by default (its documentation: "Implied Local Mirror")."""
    home = Path(environment.get("HOME") or Path.home())
    if sys.platform == "darwin":
        support = Path("Library/Application Support/io.terraform/plugins")
        return [home / ".terraform.d/plugins", home / support, Path("/") / support]
    data_home = Path(environment.get("XDG_DATA_HOME") or home / ".local/share")
    data_dirs = environment.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    data = [data_home, *(Path(part) for part in data_dirs.split(":") if part)]
    return [home / ".terraform.d/plugins", *(directory / "terraform/plugins" for directory in data)]


def install_roots(environment: Mapping[str, str]) -> list[Path]:
    """Where people and images install software; a mirror is searched in the top two levels."""
    home = environment.get("HOME")
    roots = [
        "/opt",
        "/usr/local",
        "/usr/local/share",
        "/usr/share",
        "/usr/lib",
        "/usr",
        "/var/lib",
        "/srv",
        home,
    ]
    return [Path(root) for root in roots if root]


def _set_by_user(environment: Mapping[str, str], used: Tool) -> ProviderSource | None:
    if "-plugin-dir" in environment.get("TF_CLI_ARGS_init", ""):
        return ProviderSource(
            f"{used.provided} from the -plugin-dir in TF_CLI_ARGS_init (yours, or what `thingbridge-local env` set)"
        )
    for file in _cli_configuration(environment, used):
        if re.search(r"^\s*provider_installation\b", file.read_text(encoding="utf-8", errors="replace"), re.M):
            return ProviderSource(f"{used.provided} as configured in {file} (provider_installation)")
    return None


def _cli_configuration(environment: Mapping[str, str], used: Tool) -> Iterator[Path]:
    named = environment.get("TF_CLI_CONFIG_FILE")
    home = Path(environment.get("HOME") or Path.home())
    # OpenTofu reads the one of Terraform where there is none of its own.
    names = [".tofurc", ".terraformrc"] if used.name == OPENTOFU.name else [".terraformrc"]
    candidates = [Path(named)] if named else [home / name for name in names]
    yield from [candidate for candidate in candidates if candidate.is_file()][:1]


def _implied(environment: Mapping[str, str], used: Tool) -> ProviderSource | None:
    for directory in implied_directories(environment):
        if version := mirrored_version(directory, used.registry):
            return ProviderSource(f"{used.provided} {version} from {directory}, which {used.name} searches by default")
    return None


def _registry(environment: Mapping[str, str], used: Tool, cache: Path) -> ProviderSource:
    explanation = f"{used.provided} from {used.registry}"
    files = _cli_configuration(environment, used)
    configured = any("plugin_cache_dir" in file.read_text(errors="replace") for file in files)
    if configured or environment.get("TF_PLUGIN_CACHE_DIR"):
        return ProviderSource(f"{explanation}, kept in your plugin cache")
    cache.mkdir(parents=True, exist_ok=True)
    return ProviderSource(
        f"{explanation}, downloaded once into {cache}",
        # Without a lock file, Terraform downloads even what is in its cache, for the checksums.
        {"TF_PLUGIN_CACHE_DIR": str(cache), "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "true"},
    )


def _installed(environment: Mapping[str, str], used: Tool, roots: Iterable[Path], cache: Path) -> ProviderSource | None:
    for directory in _searched(environment, used, roots):
        # The provider is the same program for both, but a mirror has its registry's name.
        for registry in dict.fromkeys((used.registry, TERRAFORM.registry)):
            version = mirrored_version(directory, registry)
            if not version:
                continue
            mirror = directory if registry == used.registry else _linked(directory / registry, version, used, cache)
            arguments = f"{environment.get('TF_CLI_ARGS_init', '')} -plugin-dir={shlex.quote(str(mirror))}"
            return ProviderSource(
                f"{used.provided} {version} from the mirror in {directory} ({used.registry} does not answer)",
                {"TF_CLI_ARGS_init": arguments.strip()},
            )
    return None


def _searched(environment: Mapping[str, str], used: Tool, roots: Iterable[Path]) -> Iterator[Path]:
    """Where a mirror may be: for OpenTofu, Terraform's own as well, which it would not use by itself."""
    if used.name == OPENTOFU.name:
        yield from implied_directories(environment)
    for root in roots:
        yield root
        yield from _children(root)
        yield from (below for child in _children(root) for below in _children(child))


def _linked(mirror: Path, version: str, used: Tool, cache: Path) -> Path:
    """A mirror of another registry under the name of the tool's own: a directory with a link to this version.

    To the version, since links above it are not followed.
    """
    directory = cache.with_name("opentofu-mirror")
    unpacked = Path(version) / this_platform()
    packed = Path(f"terraform-provider-aws_{version}_{this_platform()}.zip")
    part = unpacked if (mirror / PROVIDER / unpacked).is_dir() else packed
    link = directory / used.registry / PROVIDER / part
    link.parent.mkdir(parents=True, exist_ok=True)
    if not (link.is_symlink() and link.readlink() == mirror / PROVIDER / part):
        link.unlink(missing_ok=True)
        with contextlib.suppress(FileExistsError):  # of another process, at the same moment
            link.symlink_to(mirror / PROVIDER / part)
    return directory


def _none(used: Tool) -> ProviderSource:
    lowest, below = (".".join(str(part) for part in version[:2]) for version in VERSIONS)
    raise ProviderNotFound(
        f"{used.name}'s AWS provider ({lowest} or newer, below {below}) was not found: {used.registry} does not answer "
        "and there is no filesystem mirror in the usual places; connect once, or create one on a connected machine "
        f"(`{Path(used.command).name} providers mirror DIR`) and copy it to ~/.terraform.d/plugins."
    )


def _children(directory: Path) -> list[Path]:
    """Directories and zips in it, hidden ones and links included; none if it can't be read."""
    try:
        with os.scandir(directory) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.name.endswith(".zip") or entry.is_dir())
    except OSError:
        return []


if __name__ == "__main__":
    try:
        print(find_provider(os.environ).explanation)
    except ProviderNotFound as missing:
        sys.exit(str(missing))
