"""The documentation runs, and what it points at exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ADJOINTS = sorted((ROOT / "docs" / "adjoints").glob("*.md"))
SECTIONS = ["Forward", "Tangent", "Moving the factors", "Pullback", "Memory and cost", "Checked by"]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def python_blocks(text: str) -> list[str]:
    """The ```python blocks of a page, each padded so that its line numbers are the page's."""
    found = re.finditer(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return ["\n" * text.count("\n", 0, block.start(1)) + block[1] for block in found]


def prose(path: Path) -> str:
    """A page without its code, fenced or indented."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"^    .*$", "", text, flags=re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The anchors GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(path: Path) -> list[str]:
    """Relative links of a page that lead nowhere."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    return broken


@pytest.mark.parametrize("path", [p for p in PAGES if python_blocks(p.read_text(encoding="utf-8"))], ids=name)
def test_python_blocks_of_the_page_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "docs"}
    for block in python_blocks(path.read_text(encoding="utf-8")):
        exec(compile(block, str(path), "exec"), namespace)


def test_pages_named_in_the_source_exist() -> None:
    missing = []
    for folder in ("negfadj", "kernels", "examples"):
        for source in sorted((ROOT / folder).rglob("*")):
            if source.suffix in (".py", ".toml", ".cuh", ".cu"):
                pages = set(re.findall(r"\bdocs/[\w/.-]+\.md", source.read_text(encoding="utf-8")))
                missing += [f"{name(source)} names {page}" for page in sorted(pages) if not (ROOT / page).is_file()]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("path", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"], ids=name)
def test_relative_links_of_the_page_resolve(path: Path) -> None:
    assert broken_links(path) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    links = "[a](page.md#a-title) [b](#none) [c](gone.md) [d](https://example.org/x)"
    page.write_text(f"# A title\n\n{links}\n", encoding="utf-8")
    assert broken_links(page) == ["#none", "gone.md"]


def test_the_index_links_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / t).resolve() for t in re.findall(r"\]\(([^)#\s]+)\)", index.read_text(encoding="utf-8"))}
    missing = [name(page) for page in PAGES[1:] if page != index and page.resolve() not in linked]
    assert not missing, f"docs/index.md does not link {missing}."


@pytest.mark.parametrize("path", ADJOINTS, ids=name)
def test_an_adjoint_page_has_its_sections_and_a_check(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, flags=re.MULTILINE) == SECTIONS
    assert python_blocks(text.split("## Checked by")[1]), "no check that runs"


@pytest.mark.parametrize("path", ADJOINTS, ids=name)
def test_files_named_by_an_adjoint_page_exist(path: Path) -> None:
    named = re.findall(r"`((?:tests|negfadj)/[\w/.-]+\.py)`", path.read_text(encoding="utf-8"))
    assert any(file.startswith("tests/") for file in named), "the page names no test"
    assert [file for file in named if not (ROOT / file).is_file()] == []
