"""What the commands say: tables and files on stdout, progress and errors on stderr, and the exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, MissingDependencyError, NegfadjError

try:
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

EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130


@contextmanager
def errors_as_messages() -> Iterator[None]:
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


def verdict(checks: list[Check]) -> int:
    """The exit status, and on stderr the checks that failed."""
    failed = [check.name for check in checks if not check.is_passed]
    if failed:
        print(f"negfadj: {len(failed)} of {len(checks)} checks failed: {'; '.join(failed)}.", file=sys.stderr)
    return EXIT_FAILED if failed else 0


def say_how_to_go_on(command: str, checkpoint: Path, points: str) -> int:
    """After Ctrl-C: where the finished part is, and the command that goes on from it."""
    if checkpoint.is_file():
        print(
            f"negfadj: interrupted; the finished {points} are in {checkpoint}. Go on with: {command} --resume",
            file=sys.stderr,
        )
    else:
        print(f"negfadj: interrupted before any of the {points} was finished; nothing was written.", file=sys.stderr)
    return EXIT_INTERRUPTED


@contextmanager
def progress_bar(points: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for a known number of points."""
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


@contextmanager
def search_bar() -> Iterator[Callable[[int, int, float], None]]:
    """A bar for a search that may end early: evaluations of the most allowed, and the best value so far."""
    columns = (
        TextColumn("evaluations"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("best {task.fields[best]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("evaluations", total=None, best="")
        yield lambda n, most, best: progress.update(task, completed=n, total=most, best=f"{best:.6g}")


def print_checks(checks: list[Check], title: str) -> None:
    """The table of checks."""
    rows = [
        (
            check.name,
            f"{check.value:.2g}",
            f"≤ {check.limit:.2g}",
            "[green]ok[/]" if check.is_passed else "[bold red]FAILED[/]",
        )
        for check in checks
    ]
    print_table(title, rows, ("check", "value", "limit", ""))


def print_table(title: str, rows: Sequence[tuple[str, ...]], header: tuple[str, ...] = ()) -> None:
    """A table on stdout."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_header=bool(header))
    for i, name in enumerate(header or rows[0]):
        table.add_column(name if header else "", style=None if i or header else "bold", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def list_files(paths: Sequence[Path]) -> None:
    """The files that were written."""
    for path in paths:
        print(f"written: {path}")
