"""The C source of libnegfadj.so, made of negfadj.h and of how Python is started."""

from __future__ import annotations

import json
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..optional import import_optional
from .c_interface_calls import header_digest
from .c_interface_prototypes import Parameter, Prototype, constants, header_text, prototypes

MODULE = "_negfadj_c"

# Run when Python has been started. Whatever fails becomes the message of every call, and nothing is printed.
STARTING = """
from {module} import ffi

def _connect():
    import sys
    try:
        from negfadj.embedding.c_interface_calls import connect
        connect(ffi, {digest!r})
        return
    except BaseException as error:
        text = (
            f"negfadj cannot be used from {{sys.executable}} ({{type(error).__name__}}: {{error}}); install "
            "negfadj[doors] there, or set NEGFADJ_PYTHON to the path of an interpreter that has it."
        ).encode()
    def unusable(*arguments):
        *_, message, capacity = arguments
        cut = text[: capacity - 1].decode(errors="ignore").encode() + b"\\0"
        ffi.memmove(message, cut, len(cut))
        return 1 + {environment}
    for name in {names!r}:
        ffi.def_extern(name=name)(unusable)

_connect()
"""


def c_source(interpreter: str, version: str) -> str:
    """The whole C source, to be compiled with Python's headers alone.

    Parameters
    ----------
    interpreter : str
        Path of the Python interpreter whose environment is used unless NEGFADJ_PYTHON is set.
    version : str
        What `negfadj_version` returns.

    Raises
    ------
    MissingDependencyError
        Without cffi.
    """
    ffi = import_optional("cffi", "building the C library", extra="doors").FFI()
    declared = [_python_declaration(prototype) for prototype in prototypes()]
    ffi.cdef('extern "Python" {\n' + "\n".join(declared) + "\n}")
    ffi.embedding_init_code(
        STARTING.format(
            module=MODULE,
            digest=header_digest(),
            environment=constants()["NEGFADJ_ERROR_ENVIRONMENT"],
            names=[f"python_{prototype.name}" for prototype in prototypes()],
        )
    )
    ffi.set_source(MODULE, _preamble(interpreter, version, declared), compiler_verbose=0)
    return _emitted(ffi)


def _emitted(ffi: Any) -> str:
    """The source as text; cffi writes it to a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{MODULE}.c"
        ffi.emit_c_code(str(path))
        return path.read_text(encoding="utf-8")


def _preamble(interpreter: str, version: str, declared: list[str]) -> str:
    constants = (
        f"#define NEGFADJ_PYTHON_BUILT_FOR {json.dumps(interpreter, ensure_ascii=False)}\n"
        f"#define NEGFADJ_VERSION {json.dumps(version)}\n"
    )
    start = files(__package__).joinpath("c_interface_start.h").read_text(encoding="utf-8")
    forward = "\n".join(f"static {line}" for line in declared)
    wrappers = "\n".join(_wrapper(prototype) for prototype in prototypes())
    return "\n".join((constants, header_text(), start, forward, wrappers))


def _python_type(parameter: Parameter) -> str:
    return "void *" if parameter.is_pointer or parameter.is_handle else f"{parameter.type} "


def _python_declaration(prototype: Prototype) -> str:
    parameters = [f"{_python_type(p)}{p.name}" for p in prototype.parameters]
    return f"int python_{prototype.name}({', '.join([*parameters, 'char *message', 'size_t capacity'])});"


def _wrapper(prototype: Prototype) -> str:
    """A C function that starts Python where it does not run yet, and takes 1 + the error code back from it.

    0 is what cffi returns where it could not call Python.
    """
    parameters = ", ".join(_c_parameter(p) for p in prototype.parameters) or "void"
    arguments = [f"(void *){p.name}" if p.is_pointer or p.is_handle else p.name for p in prototype.parameters]
    passed = ", ".join([*arguments, "negfadj_message", "sizeof negfadj_message"])
    return (
        f"int {prototype.name}({parameters})\n{{\n"
        "    int code;\n\n"
        "    if (!negfadj_start())\n        return NEGFADJ_ERROR_ENVIRONMENT;\n"
        f"    code = python_{prototype.name}({passed});\n"
        "    return code > 0 ? code - 1 : NEGFADJ_ERROR_INTERNAL;\n}\n"
    )


def _c_parameter(parameter: Parameter) -> str:
    if parameter.is_array:
        return f"{'' if parameter.is_output else 'const '}{parameter.type} {parameter.name}[]"
    return f"{parameter.type} {'*' if parameter.is_output else ''}{parameter.name}"
