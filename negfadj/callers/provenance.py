"""Where results come from: the job file they were asked for by, and the versions of what calculated them."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

PACKAGES = ("numpy", "scipy", "numba", "xarray")


def negfadj_version() -> str:
    """The installed version, or "not installed" for a bare source tree."""
    try:
        return metadata.version("negfadj")
    except metadata.PackageNotFoundError:
        return "not installed"


def versions() -> str:
    """Versions of negfadj, Python and the packages that numbers depend on, in one line."""
    found = [("negfadj", negfadj_version()), ("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(f"{name} {version}" for name, version in found)


def provenance(path: Path, text: str, title: str, label: str) -> dict[str, str]:
    """The attributes every results file has.

    Parameters
    ----------
    path : Path
        Of the job file.
    text : str
        Its text.
    title : str
        Of the results; the job file's name where it is empty.
    label : str
        Fingerprint of everything that the numbers depend on.
    """
    return {
        "title": title or path.stem,
        "source": f"negfadj {negfadj_version()}",
        "versions": versions(),
        "history": f"written {datetime.now(UTC).isoformat(timespec='seconds')}",
        "job_file": path.name,
        "job_text": text,
        "job_fingerprint": label,
    }
