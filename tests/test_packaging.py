"""What is promised about the package: its metadata, what is installed, and the commands the README gives."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
PACKAGE_OF_FOLDER = (("negfadj", "negfadj"), ("kernels", "negfadj._kernels"))


def library_requirements() -> list[Requirement]:
    """Everything the project asks for, its own extras left out."""
    lines = [*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)]
    return [r for r in map(Requirement, lines) if r.name != PROJECT["name"]]


def pinned_versions() -> dict[str, Version]:
    """The known-good set of the constraints file."""
    pinned = {}
    for line in (ROOT / ".ci" / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, version = line.split("==")
            pinned[canonicalize_name(name)] = Version(version)
    return pinned


def packages_on_disk() -> list[str]:
    """Every folder with an __init__.py, by the name it installs under."""
    found = []
    for folder, package in PACKAGE_OF_FOLDER:
        for init in (ROOT / folder).rglob("__init__.py"):
            found.append(".".join((package, *init.parent.relative_to(ROOT / folder).parts)))
    return sorted(found)


def readme_block(name: str) -> str:
    """The code block of the README between the markers of that name."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(rf"<!-- {name} -->\s*```\w*\n(.*?)```\s*<!-- /{name} -->", readme, flags=re.DOTALL)
    assert len(found) == 1, f"README.md has {len(found)} blocks marked {name!r}, and must have one."
    return found[0]


def test_the_packages_listed_are_the_packages_on_disk() -> None:
    assert sorted(PYPROJECT["tool"]["setuptools"]["packages"]) == packages_on_disk(), (
        "[tool.setuptools] packages in pyproject.toml must name every folder with an __init__.py."
    )


def test_every_dependency_has_a_lower_bound_and_no_upper_one() -> None:
    wrong = [str(r) for r in library_requirements() if [s.operator for s in r.specifier] != [">="]]
    assert not wrong


def test_every_dependency_is_pinned_within_its_bound() -> None:
    pinned = pinned_versions()
    on_gpu_machines_only = {Requirement(line).name for line in EXTRAS["gpu"]}
    for requirement in library_requirements():
        if requirement.name not in on_gpu_machines_only:
            name = canonicalize_name(requirement.name)
            assert name in pinned, f"{name} is missing in .ci/constraints.txt"
            assert pinned[name] in requirement.specifier


def test_the_extra_for_tests_includes_the_applications() -> None:
    assert "negfadj[apps]" in EXTRAS["test"] and "negfadj[test]" in EXTRAS["dev"]


def test_the_version_is_the_same_everywhere() -> None:
    import negfadj

    version = importlib.metadata.version("negfadj")
    assert negfadj.__version__ == version
    assert re.search(rf"^version: {re.escape(version)}$", (ROOT / "CITATION.cff").read_text(), flags=re.MULTILINE)
    assert f"[{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("folder", "package"), PACKAGE_OF_FOLDER)
def test_every_file_of_a_package_is_installed(folder: str, package: str) -> None:
    installed = importlib.resources.files(package)
    for path in (ROOT / folder).rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            name = path.relative_to(ROOT / folder).as_posix()
            assert installed.joinpath(name).is_file(), f"{folder}/{name} is missing in package-data of pyproject.toml"


def test_the_package_says_that_it_is_typed() -> None:
    assert importlib.resources.files("negfadj").joinpath("py.typed").is_file()


@pytest.mark.parametrize(("name", "does"), [("ci:test", "pytest"), ("ci:main-job", "negfadj run")])
def test_the_readme_gives_one_command_that_sets_up_and_runs(name: str, does: str) -> None:
    (command,) = readme_block(name).strip().splitlines()
    assert command.startswith("python3 -m venv ") and "pip install" in command and does in command
