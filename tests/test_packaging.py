"""What is shipped, and what it is built and tested with."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = {"sojourn", "sojourn_workflows", "sojourn_activities", "sojourn_worker"}
PIN = re.compile(
    r"^([a-z0-9.-]+)==(\S+)(?: ; .+?)? \\$((?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+)",
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """Return the root of a wheel built from this checkout, without network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return zipfile.Path(next(folder.glob("*.whl")))


def test_the_wheel_holds_the_four_packages_and_no_other_top_level_name(wheel: zipfile.Path) -> None:
    """Installing Sojourn can overwrite nobody else's modules."""
    names = {entry.name for entry in wheel.iterdir()}

    assert names - {f"sojourn-{PROJECT['project']['version']}.dist-info"} == PACKAGES


def test_the_wheel_says_that_its_packages_are_typed(wheel: zipfile.Path) -> None:
    """Every package carries `py.typed`, so that users' type checkers read its annotations."""
    assert [name for name in sorted(PACKAGES) if not (wheel / name / "py.typed").is_file()] == []


def test_the_wheel_holds_every_module_and_sql_file_of_the_checkout(wheel: zipfile.Path) -> None:
    """A source file that works in the checkout is there after installation."""
    roots = [
        ROOT / package
        for package in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    ]
    sources = {
        path.relative_to(root.parent).as_posix()
        for root in roots
        for pattern in ("*.py", "*.sql")
        for path in root.rglob(pattern)
    }

    assert any(name.endswith(".sql") for name in sources)
    assert sorted(sources - set(wheel.root.namelist())) == []


def test_the_wheel_installs_the_command_line(wheel: zipfile.Path) -> None:
    """`sojourn` is a command after installation."""
    entry_points = next(entry for entry in wheel.iterdir() if entry.name.endswith(".dist-info"))

    assert "sojourn = sojourn_worker.cli:main" in (entry_points / "entry_points.txt").read_text()


def pins(lock: str) -> dict[str, set[str]]:
    """Return the versions that a lock pins for each package."""
    found: dict[str, set[str]] = {}
    for name, version, _ in PIN.findall((ROOT / "requirements" / lock).read_text()):
        found.setdefault(name, set()).add(version)
    return found


def ranges(lock: str) -> list[Requirement]:
    """Return the ranges that a lock was made from."""
    extras, groups = PROJECT["project"]["optional-dependencies"], PROJECT["dependency-groups"]
    build = re.findall(r"^[a-z].+", (ROOT / "requirements/run.in").read_text(), re.MULTILINE)
    base = [*PROJECT["project"]["dependencies"], *extras["dev-server"], *build]
    more = {"run.txt": [], "dev.txt": [*extras["openai"], *groups["dev"]]}[lock]
    requirements = [Requirement(line) for line in [*base, *more]]
    return [one for one in requirements if one.name != PROJECT["project"]["name"]]


@pytest.mark.parametrize("lock", ["run.txt", "dev.txt"])
def test_a_lock_pins_every_direct_dependency_within_its_range(lock: str) -> None:
    """A range changed in `pyproject.toml` without `make lock` is noticed."""
    pinned = pins(lock)
    strays = [
        str(requirement)
        for requirement in ranges(lock)
        if not (versions := pinned.get(canonicalize_name(requirement.name)))
        or not all(requirement.specifier.contains(version) for version in versions)
    ]

    assert strays == []


@pytest.mark.parametrize("lock", ["run.txt", "dev.txt"])
def test_every_line_of_a_lock_belongs_to_a_hashed_pin(lock: str) -> None:
    """A lock names no address, no option and no package without a hash."""
    text = (ROOT / "requirements" / lock).read_text()

    assert PIN.sub("", text).split() == []


def test_the_tests_run_with_the_versions_that_users_get() -> None:
    """Whatever `run.txt` pins, `dev.txt` pins too, at the same version."""
    dev = pins("dev.txt")

    assert {name: dev.get(name) for name in pins("run.txt")} == pins("run.txt")
