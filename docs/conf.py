"""Settings of the documentation's web pages: ``sphinx-build -W --keep-going -b html docs build/docs``.

The pages are written to be read as they are. Three things are done to them on the way: the links of index.md become the
table of contents, links to files outside this folder become downloads, and the formulas of docstrings become literal
blocks.
"""

from __future__ import annotations

import re
from typing import Any

import negfadj

project = "negfadj"
author = copyright = "The negfadj developers"
version = release = negfadj.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"negfadj {release}"
html_copy_source = False

myst_heading_anchors = 4  # [text](page.md#heading), as they are made elsewhere
default_role = "literal"  # `name` in docstrings

autodoc_typehints = "none"  # the docstrings say more than annotations can: shapes and units
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_param = False  # "array, shape (n,)" is prose, not a name to look up
napoleon_use_ivar = True  # attributes that are properties too are then not described twice
suppress_warnings = ["ref.python"]  # a word of such prose that is the name of several things
napoleon_use_rtype = False
napoleon_custom_sections = ["Sources"]

COLON = "\ue000"  # stands for a colon while napoleon looks for "type: description" in the docstring of a property


def table_of_contents(index: str) -> str:
    """A hidden toctree for every section of index.md, of the pages it links."""
    trees = []
    for section in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        caption = section.partition("\n")[0].strip()
        pages = re.findall(r"\]\(((?!\.\./)[\w/-]+)\.(?:md|rst)\)", section)
        if pages:
            entries = "\n".join(dict.fromkeys(pages))
            trees.append(f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n")
    return "\n".join(trees)


def with_downloads(page: str, inside: str) -> str:
    """The page with its links to Markdown files outside docs/ as downloads; `inside` leads up to docs/."""
    outside = re.escape(f"{inside}../")
    return re.sub(rf"\[([^\]]+)\]\(({outside}\w+\.md)(?:#[\w-]*)?\)", r"{download}`\1 <\2>`", page)


def prepare_page(app: Any, docname: str, content: list[str]) -> None:
    """index.md with its table of contents; every page with downloads for what is not a page."""
    if docname.startswith("api/") and docname != "api/index":
        return
    content[0] = with_downloads(content[0], "../" * docname.count("/"))
    if docname == "index":
        content[0] += "\n" + table_of_contents(content[0])
    elif docname == "api/index":
        entries = "\n".join(re.findall(r"\]\(([\w-]+)\.rst\)", content[0]))
        content[0] += f"\n```{{toctree}}\n:hidden:\n\n{entries}\n```\n"


def as_restructured_text(lines: list[str]) -> list[str]:
    """A docstring with its formulas, indented after an empty line, as literal blocks, and | and * as themselves."""
    found: list[str] = []
    in_formula, above = False, ""
    for line in lines:
        indented = line.startswith("    ")
        if indented and not in_formula and found and not found[-1] and above and not above.startswith(" "):
            in_formula = True
            found += ["::", ""]
        elif line and not indented:
            in_formula = False
        found.append(line if in_formula else re.sub(r"(?<!\\)([|*])", r"\\\1", line))
        above = line or above
    return found


def prepare_docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Before napoleon reads it."""
    lines[:] = as_restructured_text(lines)
    if what == "property":
        lines[:] = [line.replace(":", COLON) for line in lines]


def finish_docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """After napoleon has read it."""
    lines[:] = [line.replace(COLON, ":") for line in lines]


def setup(app: Any) -> dict[str, bool]:
    """The hooks; napoleon's own has priority 500."""
    app.connect("source-read", prepare_page)
    app.connect("autodoc-process-docstring", prepare_docstring, priority=400)
    app.connect("autodoc-process-docstring", finish_docstring, priority=600)
    return {"parallel_read_safe": True}
