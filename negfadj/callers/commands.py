"""The commands of `negfadj`: run, fit, design, plot, check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ..errors import InputError, MissingDependencyError
from .command_output import errors_as_messages, list_files, print_checks, print_table, verdict

try:
    import typer
except ImportError as error:
    raise MissingDependencyError(
        f'the command line needs typer and rich, which cannot be imported ({error}); pip install "negfadj[apps]".'
    ) from error

Job = Annotated[Path, typer.Argument(help="Job file (TOML).")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint of an interrupted run.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the device, its memory and the time; write nothing.")]
Output = Annotated[Path | None, typer.Option(help="Results file, in place of the job's own.")]
What = Annotated[
    list[str] | None,
    typer.Option(help="Picture to draw: transmission, dos, ldos, sensitivity, convergence, bands, parameters, …"),
]
Energy = Annotated[list[float] | None, typer.Option(help="Energy of the maps [eV], in place of the job's own.")]

application = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@application.callback()
def negfadj() -> None:
    """Quantum transport with non-equilibrium Green's functions, from a job file to results and pictures.

    Exit status: 0 all well, 1 a check or the run failed, 2 bad input, 130 after Ctrl-C.
    """


@application.command()
def run(job: Job, resume: Resume = False, dry_run: DryRun = False, output: Output = None) -> None:
    """Compute a job to a netCDF-4 file and pictures: T(E) of a structure, or a nanotube transistor."""
    raise typer.Exit(_done(job, resume, dry_run, output, "run"))


@application.command()
def fit(job: Job, resume: Resume = False, dry_run: DryRun = False, output: Output = None) -> None:
    """Fit parameters of a model, or entries of H, to transmissions, densities of states and bands."""
    raise typer.Exit(_done(job, resume, dry_run, output, "fit"))


@application.command()
def design(job: Job, resume: Resume = False, dry_run: DryRun = False, output: Output = None) -> None:
    """Make a quantity of a device large or small over parameters within bounds."""
    raise typer.Exit(_done(job, resume, dry_run, output, "design"))


@application.command()
def plot(
    results: Annotated[Path, typer.Argument(help="Results file (.nc).")],
    what: What = None,
    energy: Energy = None,
    output: Annotated[Path | None, typer.Option(help="Picture file (.png, .pdf, .svg), for one --what.")] = None,
) -> None:
    """Draw the pictures of a results file again, or some of them by name."""
    with errors_as_messages():
        from .check_file import check_complete
        from .plots_by_name import at_energies, draw_all, draw_picture
        from .result_file import open_results

        if output is not None and len(what or ()) != 1:
            raise InputError("--output names one picture; give one --what with it.")
        dataset = open_results(results)
        check_complete(dataset, results)
        if energy:
            dataset = at_energies(dataset, energy)
        stem = results.with_suffix("")
        if not what:
            list_files(draw_all(dataset, stem))
            return
        paths = [output or stem.with_name(f"{stem.name}_{name}.png") for name in what]
        for name, path in zip(what, paths):
            draw_picture(dataset, name, path)
        list_files(paths)


@application.command()
def check(file: Annotated[Path, typer.Argument(help="Job file (.toml) or results file (.nc).")]) -> None:
    """Check a job file without running it, or the numbers of a results file again."""
    with errors_as_messages():
        code = _checked_results(file) if file.suffix == ".nc" else _checked_job(file)
    raise typer.Exit(code)


def _done(job: Path, resume: bool, dry_run: bool, output: Path | None, command: str) -> int:
    with errors_as_messages():
        from .command_jobs import Options, do_job

        return do_job(Options(job, resume, dry_run, output), command)


def _checked_job(path: Path) -> int:
    from .command_jobs import Options, do_job

    return do_job(Options(path, dry_run=True), None)


def _checked_results(path: Path) -> int:
    from rich.markup import escape

    from .check_file import check_file, file_rows
    from .result_file import open_results

    dataset = open_results(path)
    checks = check_file(dataset, path)
    rows = [(what, escape(value)) for what, value in file_rows(dataset, path)]
    print_table(escape(str(dataset.attrs.get("title", path.stem))), rows)
    print_checks(checks, "Checks of the stored numbers")
    return verdict(checks)
