"""The documentation's web pages: they build without a warning, and the API reference has every public name once."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import negfadj

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("negfadj", "negfadj.objectives", "negfadj.models", "negfadj.electrostatics", "negfadj.implicit")


def documented_names() -> list[str]:
    """module.name of everything the pages under docs/api show."""
    found = []
    for page in sorted((ROOT / "docs" / "api").glob("*.rst")):
        module, text = "", page.read_text(encoding="utf-8")
        for directive, name in re.findall(r"^\.\. ([\w-]+):: ([\w.]+)$", text, flags=re.MULTILINE):
            if directive == "currentmodule":
                module = name
            elif directive.startswith("auto"):
                found.append(f"{module}.{name}")
    return found


def public_names() -> set[str]:
    """module.name of what the packages export, sub-packages and what one of them exports again left out."""
    found: dict[int, str] = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            thing = getattr(module, name)
            if not isinstance(thing, type(negfadj)):
                found.setdefault(id(thing), f"{package}.{name}")
    return set(found.values())


def test_api_reference_shows_every_public_name() -> None:
    missing = public_names() - set(documented_names())
    assert not missing, f"add to the page of docs/api/ where a reader would look for it: {sorted(missing)}"


def test_api_reference_shows_no_name_twice() -> None:
    assert [name for name, count in Counter(documented_names()).items() if count > 1] == []


def test_api_reference_shows_names_that_exist() -> None:
    for name in documented_names():
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), f"docs/api/ shows {name}, which does not exist"


@pytest.mark.slow
def test_web_pages_build_without_a_warning(tmp_path: Path) -> None:
    for needed in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(needed, reason=f'{needed} is not installed; pip install "negfadj[docs]"')
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", str(tmp_path / "trees")]
    command += ["docs", str(tmp_path / "html")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "html" / "api" / "transport.html").read_text(encoding="utf-8")
    assert 'id="negfadj.transmission_vjp"' in page
