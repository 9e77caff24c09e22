"""Build the C library: ``python -m negfadj.embedding.build_c_library --output DIR``."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, NegfadjError
from .c_interface_fortran import fortran_module
from .c_interface_prototypes import header_text
from .c_interface_source import c_source

PKG_CONFIG = """\
prefix={folder}

Name: negfadj
Description: quantum transport with gradients
Version: {version}
Cflags: -I${{prefix}}
Libs: -L${{prefix}} -lnegfadj -Wl,-rpath,${{prefix}}
"""


@dataclass(frozen=True)
class CLibrary:
    """The files of a library that was built."""

    library: Path
    header: Path
    fortran: Path
    pkg_config: Path


def build_c_library(
    output: str | Path,
    *,
    interpreter: str | Path | None = None,
    python_library: str | Path | None = None,
    compiler: str | None = None,
) -> CLibrary:
    """Compile libnegfadj.so, and write negfadj.h, negfadj.f90 and negfadj.pc beside it.

    Parameters
    ----------
    output : path
        Folder; made where it is missing. Files of the same names are replaced.
    interpreter : path, optional
        Python interpreter whose environment the library uses, of the running one's version; default the running one.
    python_library : path, optional
        libpython as .so, or as .a of position-independent objects; default that of the running Python.
    compiler : str, optional
        C compiler with options; default the environment variable CC, else cc. Options for the linker are taken from
        LDFLAGS.

    Returns
    -------
    CLibrary

    Raises
    ------
    InputError
        Without a libpython that a library can be linked with, and when the compiler fails, with its message.
    MissingDependencyError
        Without cffi.
    """
    from .. import __version__

    folder = Path(output).resolve()
    built = CLibrary(*(folder / name for name in ("libnegfadj.so", "negfadj.h", "negfadj.f90", "negfadj.pc")))
    variables = sysconfig.get_config_vars()
    flags = python_link_flags(variables, None if python_library is None else Path(python_library))
    source = c_source(str(interpreter or sys.executable), __version__)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        text = Path(scratch) / "negfadj.c"
        text.write_text(source, encoding="utf-8")
        made = Path(scratch) / built.library.name
        command = [
            *shlex.split(compiler or os.environ.get("CC") or "cc"),
            *("-shared", "-fPIC", "-O2", "-fvisibility=hidden", "-pthread", f"-I{sysconfig.get_path('include')}"),
            *(str(text), "-o", str(made), "-Wl,-soname,libnegfadj.so", "-Wl,-z,defs", "-Wl,-z,nodelete"),
            *(*flags, *shlex.split(os.environ.get("LDFLAGS") or "")),
        ]
        _compile(command)
        shutil.copyfile(made, folder / "libnegfadj.so.new")
        os.replace(folder / "libnegfadj.so.new", built.library)  # a program that has the old one open keeps it
    built.header.write_text(header_text(), encoding="utf-8")
    built.fortran.write_text(fortran_module(), encoding="utf-8")
    built.pkg_config.write_text(PKG_CONFIG.format(folder=folder, version=__version__), encoding="utf-8")
    return built


def python_link_flags(variables: Mapping[str, Any], python_library: Path | None = None) -> list[str]:
    """Linker flags that bring Python into a shared library.

    Parameters
    ----------
    variables : mapping
        `sysconfig.get_config_vars()` of the Python to be linked.
    python_library : path, optional
        libpython; default the shared one of `variables`, else the static one.

    Raises
    ------
    InputError
        When there is neither.
    """
    if python_library is not None and not python_library.is_file():
        raise InputError(f"there is no file {python_library}; python_library is the path of libpython, .so or .a.")
    version = variables["LDVERSION"]
    folder = Path(variables["LIBDIR"] or "")
    places = [folder / (variables.get("INSTSONAME") or ""), folder / f"libpython{version}.so"]
    if python_library is None:
        python_library = next((p for p in places if ".so" in p.name and p.is_file()), None)
    if python_library is None:
        config = Path(variables.get("LIBPL") or "")
        static = [config / f"libpython{version}-pic.a", config / f"libpython{version}.a"]
        python_library = next((p for p in static if p.is_file()), None)
    if python_library is None:
        raise InputError(
            f"this Python has no libpython, neither {places[-1]} nor a static one; use one that was built with "
            "--enable-shared (system packages, conda and pyenv with PYTHON_CONFIGURE_OPTS=--enable-shared are), or "
            "give --python-library PATH."
        )
    system = shlex.split(f"{variables.get('LIBS') or ''} {variables.get('SYSLIBS') or ''}")
    if python_library.suffix == ".a":
        # whole: extension modules call functions of Python that this library does not; they must see them too
        return ["-Wl,--whole-archive", str(python_library), "-Wl,--no-whole-archive", "-Wl,-E", *system]
    return [str(python_library), f"-Wl,-rpath,{python_library.parent}", "-ldl"]


def _compile(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise InputError(f"the C compiler {command[0]!r} cannot be run ({error}); set CC to one.") from error
    if done.returncode == 0:
        return
    fix = "see its message."
    if "recompile with -fPIC" in done.stderr or "can not be used when making a shared object" in done.stderr:
        fix = (
            "libpython is static and its objects are not position-independent: use a Python that was built with "
            "--enable-shared, or give --python-library PATH of its libpython.so."
        )
    elif "Python.h" in done.stderr:
        fix = "Python's headers are not installed: add the system's package python3-dev or python3-devel."
    elif "undefined reference" in done.stderr:
        fix = "libpython.a needs more libraries: name them in the variable LDFLAGS, such as LDFLAGS='-lexpat -lz'."
    raise InputError(f"the C compiler failed ({' '.join(command)}): {done.stderr.strip()[-2000:]}\n{fix}")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m negfadj.embedding.build_c_library", description=__doc__)
    parser.add_argument("--output", required=True, help="folder for libnegfadj.so, negfadj.h, negfadj.f90, negfadj.pc")
    parser.add_argument("--interpreter", help="Python interpreter whose packages the library uses (default: this one)")
    parser.add_argument("--python-library", help="libpython, .so or .a (default: this interpreter's)")
    options = parser.parse_args(arguments)
    try:
        built = build_c_library(options.output, interpreter=options.interpreter, python_library=options.python_library)
    except NegfadjError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    sys.stdout.write(f"{built.library}\n{built.header}\n{built.fortran}\n{built.pkg_config}\n")


if __name__ == "__main__":
    main()
