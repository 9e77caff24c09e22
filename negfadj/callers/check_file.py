"""What a results file says of itself, and whether its numbers hold together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import FileFormatError
from .checks import Check, check_stored_results
from .job_file import KINDS
from .provenance import versions
from .result_file import job_of
from .results import QUANTITIES
from .search_checks import check_stored_search
from .search_results import NEEDED
from .transistor_checks import check_stored_transistor
from .transistor_file import parse_transistor
from .transistor_results import MAPS
from .transistor_results import QUANTITIES as OF_TRANSISTOR

VARIABLES: dict[str, tuple[str, ...]] = {
    "transport": (*QUANTITIES, "status"),
    "nanotube-transistor": (*OF_TRANSISTOR, *MAPS),
    "fit": NEEDED,
    "design": NEEDED,
}


def file_rows(dataset: Any, path: Path) -> list[tuple[str, str]]:
    """Pairs (what, value): where the results come from, what they hold, and whether the job file is still the same."""
    attributes = dataset.attrs
    job = path.parent / str(attributes.get("job_file", ""))
    rows = [
        ("job", f"{job_of(dataset)}, from {attributes.get('job_file', 'a job file that is not named')}"),
        ("history", str(attributes.get("history", "not said"))),
        ("versions", str(attributes.get("versions", attributes.get("source", "not said")))),
        ("here", versions()),
        ("sizes", ", ".join(f"{name} {n}" for name, n in dataset.sizes.items())),
        ("variables", ", ".join(str(name) for name in dataset.data_vars)),
    ]
    if job.is_file():
        is_same = job.read_text(encoding="utf-8", errors="replace") == attributes.get("job_text")
        rows.append(("job file", "beside the results, the same" if is_same else "beside the results, changed since"))
    return rows


def check_complete(dataset: Any, path: Path) -> None:
    """Raise `FileFormatError` for a file that no job of negfadj wrote, or that lacks one of its job's variables."""
    kind = job_of(dataset)
    missing = [name for name in VARIABLES.get(kind, ()) if name not in dataset]
    if kind not in KINDS or missing:
        what = f"no variable {missing[0]!r}" if missing else f"job = {kind!r}, which is not known"
        raise FileFormatError(f"results file {str(path)!r} has {what}; it was not written by negfadj, or is damaged.")


def check_file(dataset: Any, path: Path) -> list[Check]:
    """The checks for which a results file is enough.

    Parameters
    ----------
    dataset : xarray.Dataset
    path : Path
        Where it was read from, for messages.

    Returns
    -------
    list of Check
        Physics that the numbers must obey whatever the device is, and a unit or a name for each variable.

    Raises
    ------
    FileFormatError
        As `check_complete`.
    """
    check_complete(dataset, path)
    kind = job_of(dataset)
    unnamed = [name for name, x in dataset.data_vars.items() if not {"units", "long_name"} & set(x.attrs)]
    own = [Check("variables without a unit or a name", float(len(unnamed)), 0.0)]
    if kind == "transport":
        return own + check_stored_results(dataset)
    if kind == "nanotube-transistor":
        job = parse_transistor(str(dataset.attrs["job_text"]), Path(str(dataset.attrs["job_file"])))
        return own + check_stored_transistor(dataset, job.settings.numerics.tolerance)
    return own + check_stored_search(dataset)
