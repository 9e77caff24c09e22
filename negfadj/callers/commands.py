"""The commands of `negfadj`. The one place in the library that prints."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..errors import InputError, MissingDependencyError, NegfadjError

try:
    import typer
    from rich import box
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.table import Table
except ImportError as error:
    raise MissingDependencyError(
        f'the command line needs typer and rich, which cannot be imported ({error}); pip install "negfadj[apps]".'
    ) from error

if TYPE_CHECKING:
    from .checks import Check
    from .job_system import JobSystem

EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130

application = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@application.callback()
def negfadj() -> None:
    """Quantum transport with non-equilibrium Green's functions, from a job file to results and pictures."""


@application.command()
def run(
    job: Annotated[Path, typer.Argument(help="Job file (TOML).")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint of an interrupted run.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the device and its memory; compute nothing.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="Results file, in place of the job's own.")] = None,
) -> None:
    """Compute a job to a netCDF-4 file and pictures: T(E) of a structure, or a nanotube transistor."""
    with _errors_as_messages():
        from .job_file import job_kind, read_text

        is_transistor = job_kind(read_text(job), job) == "nanotube-transistor"
        code = (_run_transistor if is_transistor else _run)(job, resume, dry_run, output)
    raise typer.Exit(code)


@application.command()
def plot(results: Annotated[Path, typer.Argument(help="Results file (.nc).")]) -> None:
    """Draw the pictures of a results file again."""
    with _errors_as_messages():
        from .plots import write_pictures
        from .results import read_dataset
        from .transistor_plots import write_transistor_pictures
        from .transistor_results import is_transistor, read_transistor

        stem = results.with_suffix("")
        if is_transistor(results):
            _list_files(write_transistor_pictures(read_transistor(results), stem))
        else:
            _list_files(write_pictures(read_dataset(results), stem))


@contextmanager
def _errors_as_messages() -> Iterator[None]:
    """One clear message on stderr, and an exit code, in place of a traceback."""
    try:
        yield
    except NegfadjError as error:
        print(f"negfadj: {error}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT if isinstance(error, InputError | MissingDependencyError) else EXIT_FAILED)
    except OSError as error:
        print(f"negfadj: {error}; check the disk and the permissions.", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        print("negfadj: interrupted.", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


def _run(job_path: Path, resume: bool, dry_run: bool, output: Path | None) -> int:
    from .checks import check_results
    from .job_file import load_job
    from .job_run import run_job
    from .job_system import build_system
    from .plots import write_pictures
    from .results import checkpoint_path

    job = load_job(job_path)
    system = build_system(job)
    path = output or job.results_path
    _print_device(system)
    if dry_run:
        return 0
    started = time.monotonic()
    try:
        with _progress_bar("energies") as report:
            dataset = run_job(system, path, resume=resume, progress=report)
    except KeyboardInterrupt:
        return _say_how_to_go_on(job_path, checkpoint_path(path), output, "energies")
    written = [path]
    if job.settings.output.pictures:
        written += write_pictures(dataset, path.with_suffix(""))
    checks = check_results(system, dataset)
    _print_checks(checks, time.monotonic() - started)
    _list_files(written)
    return _verdict(checks)


def _run_transistor(job_path: Path, resume: bool, dry_run: bool, output: Path | None) -> int:
    from .transistor_checks import check_transistor
    from .transistor_file import load_transistor
    from .transistor_plots import write_transistor_pictures
    from .transistor_run import run_transistor, transistor_checkpoint
    from .transistor_summary import gradient_rows, transistor_rows
    from .transistor_system import build_transistor

    job = load_transistor(job_path)
    system = build_transistor(job)
    path = output or job.results_path
    _print_table(job.settings.title or job.path.stem, transistor_rows(system))
    if dry_run:
        return 0
    started = time.monotonic()
    try:
        with _progress_bar("voltages") as report:
            dataset = run_transistor(system, path, resume=resume, progress=report)
    except KeyboardInterrupt:
        return _say_how_to_go_on(job_path, transistor_checkpoint(path), output, "voltages")
    written = [path]
    if job.settings.output.pictures:
        written += write_transistor_pictures(dataset, path.with_suffix(""))
    header = ("d ln I / d …", "", "off-state", "on-state")
    _print_table("Gradient of the current, by the adjoint", gradient_rows(dataset), header)
    checks = check_transistor(system, dataset)
    _print_checks(checks, time.monotonic() - started)
    _list_files(written)
    return _verdict(checks)


def _verdict(checks: list[Check]) -> int:
    """The exit status, and on stderr the checks that failed."""
    failed = [check.name for check in checks if not check.is_passed]
    if failed:
        print(f"negfadj: {len(failed)} of {len(checks)} checks failed: {'; '.join(failed)}.", file=sys.stderr)
    return EXIT_FAILED if failed else 0


def _say_how_to_go_on(job_path: Path, checkpoint: Path, output: Path | None, points: str) -> int:
    option = "" if output is None else f" --output {output}"
    if checkpoint.is_file():
        print(
            f"negfadj: interrupted; the finished {points} are in {checkpoint}. Go on with: negfadj run "
            f"{job_path}{option} --resume",
            file=sys.stderr,
        )
    else:
        print(f"negfadj: interrupted before any of the {points} was finished; nothing was written.", file=sys.stderr)
    return EXIT_INTERRUPTED


@contextmanager
def _progress_bar(points: str) -> Iterator[Callable[[int, int], None]]:
    columns = (
        TextColumn(points),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(points, total=None)
        yield lambda n_done, n_points: progress.update(task, completed=n_done, total=n_points)


def _print_device(system: JobSystem) -> None:
    from .summary import device_rows

    _print_table(system.job.settings.title or system.job.path.stem, device_rows(system))


def _print_checks(checks: list[Check], seconds: float) -> None:
    rows = [
        (
            check.name,
            f"{check.value:.2g}",
            f"≤ {check.limit:.2g}",
            "[green]ok[/]" if check.is_passed else "[bold red]FAILED[/]",
        )
        for check in checks
    ]
    _print_table(f"Checks after {seconds:.1f} s", rows, ("check", "value", "limit", ""))


def _print_table(title: str, rows: Sequence[tuple[str, ...]], header: tuple[str, ...] = ()) -> None:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_header=bool(header))
    for i, name in enumerate(header or rows[0]):
        table.add_column(name if header else "", style=None if i or header else "bold", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _list_files(paths: list[Path]) -> None:
    for path in paths:
        print(f"written: {path}")
