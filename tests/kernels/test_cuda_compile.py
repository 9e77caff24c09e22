"""The CUDA sources as the loader hands them to a compiler, and what it says when one does not compile."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cuda_on_host
import numpy as np
import pytest
from cuda_on_host import SOURCES, kernels_module, on_host

import negfadj as na
from negfadj.array import KERNELS
from negfadj.errors import KernelCompilationError

KERNELS_FOLDER = Path(__file__).resolve().parents[2] / "kernels"
NVCC = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")
needs_nvcc = pytest.mark.skipif(NVCC is None, reason="no nvcc on PATH or in /usr/local/cuda/bin")


def compiled(source: str, folder: Path, scalar: str, width: int) -> subprocess.CompletedProcess[str]:
    """nvcc on a source, for the H100's architecture."""
    module, threads = kernels_module("cuda_module"), kernels_module("cuda_launch").THREADS[width]
    path = folder / "source.cu"
    path.write_text(source, encoding="utf-8")
    command = [str(NVCC), "-cubin", "-arch=sm_90", "-Xptxas", "-v", "-o", str(folder / "built")]
    command += [*module.options(scalar, width, threads), str(path)]
    return subprocess.run(command, capture_output=True, text=True)


@needs_nvcc
def test_nvcc_compiles_the_inverse(tmp_path: Path) -> None:
    done = compiled(kernels_module("cuda_module").inlined("inverse.cu"), tmp_path, "D", 32)
    assert done.returncode == 0, done.stderr


@needs_nvcc
@pytest.mark.slow
@pytest.mark.parametrize(("scalar", "width"), [("f", 32), ("d", 32), ("F", 32), ("D", 32), ("D", 16), ("D", 8)])
@pytest.mark.parametrize("name", SOURCES)
def test_nvcc_compiles_every_source_with_matrices_in_registers(
    name: str, scalar: str, width: int, tmp_path: Path
) -> None:
    done = compiled(kernels_module("cuda_module").inlined(name), tmp_path, scalar, width)
    assert done.returncode == 0, done.stderr
    spilled = [int(count) for count in re.findall(r"(\d+) bytes spill stores", done.stderr)]
    assert spilled and max(spilled) <= 64, done.stderr  # a tile that left the registers would be 16 bytes an entry


@needs_nvcc
def test_a_complaint_of_nvcc_names_file_line_and_fix(tmp_path: Path) -> None:
    module = kernels_module("cuda_module")
    lines = (KERNELS_FOLDER / "include" / "inverse.cuh").read_text(encoding="utf-8").splitlines()
    line = 1 + next(i for i, text in enumerate(lines) if "int p = k;" in text)
    done = compiled(module.inlined("inverse.cu").replace("int p = k;", "int p = undeclared;"), tmp_path, "D", 8)
    assert done.returncode != 0
    text = module.complaint("inverse.cu", "inverse", done.stderr)
    assert f'inverse.cuh, line {line}: identifier "undeclared" is undefined' in text
    assert 'use_kernels("reference")' in text


class CompileException(Exception):
    """What CuPy raises with NVRTC's log, as far as the loader looks at it."""


def complaining_cupy(log: str) -> Any:
    """A CuPy whose compiler has only this to say."""

    def get_function(entry: str) -> Any:
        raise CompileException(log)

    return SimpleNamespace(
        RawModule=lambda *, code, options: SimpleNamespace(get_function=get_function),
        cuda=SimpleNamespace(
            runtime=SimpleNamespace(getDevice=lambda: 0),
            Device=lambda number: SimpleNamespace(attributes=dict(cuda_on_host.H100)),
        ),
        empty=np.empty,
        ascontiguousarray=np.ascontiguousarray,
        ndarray=type("ndarray", (), {}),
    )


NVRTC_LOG = """tile.cuh(12): error: expected a ";"
  int column
      ^

1 error detected in the compilation of "kern.cu".
"""


@pytest.mark.parametrize(
    ("log", "what"),
    [
        (NVRTC_LOG, r'tile\.cuh, line 12: expected a ";"'),
        ('/tmp/x/kern.cu(3): catastrophic error: cannot open source file "x"', r"kern\.cu, line 3: cannot open source"),
        ("CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image", r"cuda/inverse\.cu: CUDA_ERROR_NO_BINARY_FOR_GPU"),
        ("", r"cuda/inverse\.cu: no message"),
    ],
)
def test_a_kernel_that_does_not_compile_is_an_error_with_the_way_on(
    log: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", complaining_cupy(log))
    cuda_on_host.forget()
    try:
        whole = rf'"inverse" does not compile: {what}.*use_kernels\("reference"'
        with pytest.raises(KernelCompilationError, match=whole):
            kernels_module("cuda_inverse").inverse(on_host(np.eye(2)[None]))
    finally:
        cuda_on_host.forget()


def test_the_way_on_needs_no_kernel() -> None:
    with na.use_kernels("reference"):
        kernel = KERNELS["inverse"]
        assert kernel.implementation(np.eye(2, dtype=complex)) is kernel.reference


@pytest.mark.parametrize("name", SOURCES)
def test_an_inlined_source_includes_nothing_and_knows_its_lines(name: str) -> None:
    text = kernels_module("cuda_module").inlined(name)
    assert "#include" not in text and "#pragma once" not in text
    where, number = "", 0
    for line in text.splitlines():
        found = re.fullmatch(r'#line (\d+) "(.*)"', line)
        if found is not None:
            where, number = found[2], int(found[1])
            continue
        if line:
            path = next(path for path in KERNELS_FOLDER.glob("*/*.cu*") if path.name == where)
            assert path.read_text(encoding="utf-8").splitlines()[number - 1] == line
        number += 1


def test_headers_know_nothing_of_threads() -> None:
    for path in (KERNELS_FOLDER / "include").glob("*.cuh"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"threadIdx|blockIdx|__syncthreads|__shared__|__global__", text), path.name
