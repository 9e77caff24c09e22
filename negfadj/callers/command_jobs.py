"""What `negfadj run`, `fit` and `design` do with a job file, kind by kind."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from ..errors import InputError
from .command_output import (
    list_files,
    print_checks,
    print_table,
    progress_bar,
    say_how_to_go_on,
    search_bar,
    verdict,
)
from .job_file import job_kind, load_job, read_text, wrong_line

if TYPE_CHECKING:
    from .design_file import DesignJob
    from .fit_file import FitJob
    from .search_system import Search

COMMANDS = {"transport": "run", "nanotube-transistor": "run", "fit": "fit", "design": "design"}


@dataclass(frozen=True)
class Options:
    """What the command line says beside the job file.

    job : the job file
    resume, dry_run, output : as given
    """

    job: Path
    resume: bool = False
    dry_run: bool = False
    output: Path | None = None

    @property
    def command(self) -> str:
        """The command that would do the same again, without --resume."""
        option = "" if self.output is None else f" --output {self.output}"
        return f"negfadj {COMMANDS[job_kind(read_text(self.job), self.job)]} {self.job}{option}"


def do_job(options: Options, command: str | None) -> int:
    """Do, or with `dry_run` describe, the job of a file; the exit status.

    Parameters
    ----------
    options : Options
    command : str or None
        "run", "fit" or "design": a job of another kind is refused, with the command it is for. None takes any.

    Raises
    ------
    InputError and its kinds, ConvergenceError
        As the job's own functions.
    """
    text = read_text(options.job)
    kind = job_kind(text, options.job)
    if command is not None and COMMANDS[kind] != command:
        raise wrong_line(text, options.job, ("job",), f"job = {kind!r} is for `negfadj {COMMANDS[kind]}`.")
    return {"transport": _transport, "nanotube-transistor": _transistor}.get(kind, _search)(options)


def _transport(options: Options) -> int:
    from .checks import check_results
    from .estimate import in_words, job_seconds
    from .job_run import run_job
    from .job_system import build_system
    from .plots import write_pictures
    from .results import checkpoint_path
    from .summary import device_rows

    job = load_job(options.job)
    system = build_system(job)
    path = options.output or job.results_path
    more = [("time", in_words(job_seconds(system)))] if options.dry_run else []
    print_table(escape(job.settings.title or job.path.stem), _escaped([*device_rows(system), *more]))
    if options.dry_run:
        return 0
    started = time.monotonic()
    try:
        with progress_bar("energies") as report:
            dataset = run_job(system, path, resume=options.resume, progress=report)
    except KeyboardInterrupt:
        return say_how_to_go_on(options.command, checkpoint_path(path), "energies")
    written = [path]
    if job.settings.output.pictures:
        written += write_pictures(dataset, path.with_suffix(""))
    checks = check_results(system, dataset)
    return _ended(checks, started, written)


def _transistor(options: Options) -> int:
    from .estimate import in_words, transistor_seconds
    from .transistor_checks import check_transistor
    from .transistor_file import load_transistor
    from .transistor_plots import write_transistor_pictures
    from .transistor_run import run_transistor, transistor_checkpoint
    from .transistor_summary import gradient_rows, transistor_rows
    from .transistor_system import build_transistor

    job = load_transistor(options.job)
    system = build_transistor(job)
    path = options.output or job.results_path
    more = [("time", f"{in_words(transistor_seconds(system))}, to a factor of three")] if options.dry_run else []
    print_table(escape(job.settings.title or job.path.stem), _escaped([*transistor_rows(system), *more]))
    if options.dry_run:
        return 0
    started = time.monotonic()
    try:
        with progress_bar("voltages") as report:
            dataset = run_transistor(system, path, resume=options.resume, progress=report)
    except KeyboardInterrupt:
        return say_how_to_go_on(options.command, transistor_checkpoint(path), "voltages")
    written = [path]
    if job.settings.output.pictures:
        written += write_transistor_pictures(dataset, path.with_suffix(""))
    header = ("d ln I / d …", "", "off-state", "on-state")
    print_table("Gradient of the current, by the adjoint", gradient_rows(dataset), header)
    return _ended(check_transistor(system, dataset), started, written)


def _search(options: Options) -> int:
    from ..objectives import OptimisationError
    from .plots_search import write_search_pictures
    from .search_checkpoint import search_checkpoint
    from .search_checks import check_search
    from .search_run import run_search
    from .search_summary import ending, found_rows, search_rows
    from .search_system import build_search

    job = _load_search(options.job)
    search = build_search(job)
    path = options.output or job.results_path
    more = _time_row(search) if options.dry_run else []
    print_table(escape(job.settings.title or job.path.stem), _escaped([*search_rows(search), *more]))
    if options.dry_run:
        return 0
    started = time.monotonic()
    try:
        with search_bar() as report:
            dataset = run_search(search, path, resume=options.resume, progress=report)
    except KeyboardInterrupt:
        return say_how_to_go_on(options.command, search_checkpoint(path), "evaluations")
    except OptimisationError:
        kept = search_checkpoint(path)
        print(f"negfadj: the best point is in {kept}; go on from it with: {options.command} --resume", file=sys.stderr)
        raise
    written = [path]
    if job.settings.output.pictures:
        written += write_search_pictures(dataset, path.with_suffix(""))
    print_table(escape(ending(dataset)), _escaped(found_rows(dataset)), ("", "start", "best", ""))
    return _ended(check_search(search, dataset), started, written)


def _load_search(path: Path) -> FitJob | DesignJob:
    from .design_file import load_design
    from .fit_file import load_fit

    kind = job_kind(read_text(path), path)
    if kind == "fit":
        return load_fit(path)
    if kind == "design":
        return load_design(path)
    raise InputError(f"{path}: job = {kind!r} is no search.")


def _time_row(search: Search) -> list[tuple[str, str]]:
    from .estimate import evaluation_seconds, in_words

    one = evaluation_seconds(search)
    most = None if one is None else one * search.job.settings.search.max_evaluations
    return [("time", f"{in_words(one)} an evaluation with its gradient; {in_words(most)} at most")]


def _escaped(rows: list[Any]) -> list[Any]:
    """Rows whose words may hold square brackets, which rich would take for markup."""
    return [tuple(escape(cell) for cell in row) for row in rows]


def _ended(checks: list[Any], started: float, written: list[Path]) -> int:
    print_checks(checks, f"Checks after {time.monotonic() - started:.1f} s")
    list_files(written)
    return verdict(checks)
