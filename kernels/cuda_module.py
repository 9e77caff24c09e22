"""CUDA sources as CuPy modules: headers inlined, compiled on first use, and a compiler's complaint made readable.

The headers are inlined, so that CuPy's cache of compiled kernels, which goes by the text of the source, sees an edit of
any of them. `#line` directives keep the compiler's file names and line numbers those of the files.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from negfadj.errors import KernelCompilationError

HERE = Path(__file__).resolve().parent
FOLDERS = (HERE / "cuda", HERE / "include")
SCALARS = {"f": "float", "d": "double", "F": "negfadj::Complex<float>", "D": "negfadj::Complex<double>"}
_INCLUDE = re.compile(r'^\s*#include\s+"([^"]+)"')
_COMPLAINT = re.compile(
    r"^(?P<file>[^\s(][^(\n]*)\((?P<line>\d+)\): (?:catastrophic )?error[^:\n]*: *(?P<text>.*)$", re.MULTILINE
)


def inlined(name: str, seen: set[str] | None = None) -> str:
    """The source `name` of ``cuda/`` with its headers in place of their `#include`, each one once; none of `seen`."""
    return "\n".join(_lines(name, set() if seen is None else seen)) + "\n"


def options(scalar: str, width: int, threads: int) -> tuple[str, ...]:
    """The compiler's options: the scalar type by its dtype character, the rows of a tile, the threads of a block."""
    return (
        "-std=c++17",
        f"-DNEGFADJ_SCALAR={SCALARS[scalar]}",
        f"-DNEGFADJ_WIDTH={width}",
        f"-DNEGFADJ_THREADS={threads}",
    )


@cache
def function(name: str, entry: str, scalar: str, width: int, threads: int, shared_bytes: int, device: int) -> Any:
    """The kernel `entry` of the source `name`, allowed that much shared memory on that device.

    Raises
    ------
    KernelCompilationError
        With file, line and the compiler's message, and `use_kernels("reference")` as the way on.
    """
    import cupy

    try:
        module = cupy.RawModule(code=inlined(name), options=options(scalar, width, threads))
        kernel = module.get_function(entry)
    except Exception as error:  # no compiler, no driver, or a complaint of the compiler
        raise KernelCompilationError(complaint(name, entry, str(error))) from error
    if shared_bytes > 48 * 1024:  # more has to be asked for
        kernel.max_dynamic_shared_size_bytes = shared_bytes
    return kernel


def complaint(name: str, entry: str, log: str) -> str:
    """The message of a `KernelCompilationError`: the first error of a compiler's log with its file and line."""
    found = _COMPLAINT.search(log)
    if found is None:
        what = f"cuda/{name}: {' '.join(log.split())[:500] or 'no message'}"
    else:
        what = f"{Path(found['file']).name}, line {found['line']}: {found['text']}"
    return (
        f'the CUDA kernel "{entry}" does not compile: {what}; go on without CUDA kernels by '
        'with negfadj.use_kernels("reference"): …'
    )


def _lines(name: str, seen: set[str]) -> list[str]:
    seen.add(name)
    path = next(folder / name for folder in FOLDERS if (folder / name).is_file())
    lines = [f'#line 1 "{name}"']
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        included = _INCLUDE.match(line)
        if included is not None:
            if included[1] not in seen:
                lines += _lines(included[1], seen)
            lines.append(f'#line {number + 1} "{name}"')
        elif line.strip() == "#pragma once":
            lines.append("")
        else:
            lines.append(line)
    return lines
