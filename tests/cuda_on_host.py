"""The CUDA kernels on a machine without a GPU: their own sources built by g++, launched by their own launchers.

`install` puts in place of CuPy a module that knows just the calls the launchers make. Its arrays are NumPy's; a
launch runs the kernel's source with host threads for a thread block, after checking every argument against the kernel's
signature, the block's size, the grid and the shared memory. Its batched LU is LAPACK's, behind cuBLAS's pointers and
column-major order. It says nothing about CuPy itself, about speed, or about a GPU's arithmetic and memory model.
"""

from __future__ import annotations

import ctypes
import importlib
import re
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.linalg import lapack

from negfadj.array import kernels as registry

HERE = Path(__file__).resolve().parent
SOURCES = tuple(sorted(path.name for path in (HERE.parent / "kernels" / "cuda").glob("*.cu")))
H100 = {"MaxSharedMemoryPerBlockOptin": 232448, "MaxSharedMemoryPerBlock": 49152}  # as the driver reports them
OF_C = {"int": "i4", "long long": "i8", "double": "f8"}


def kernels_module(name: str) -> Any:
    """A module of ``kernels/`` under its installed name."""
    registry._kernels_package()
    return importlib.import_module(f"{registry.PACKAGE}.{name}")


def combined_source() -> str:
    """All CUDA sources as one, headers inlined as the loader does."""
    seen: set[str] = set()
    return "".join(kernels_module("cuda_module").inlined(name, seen) for name in SOURCES)


def signatures(source: str) -> dict[str, list[str]]:
    """Kernel → the types of its parameters, read off the source."""
    source = re.sub(r"\\\n", " ", source)
    for macro, kind in re.findall(r"^NEGFADJ_SOLVE\((\w+), (\w+)\)", source, flags=re.M):
        body = re.search(r"#define NEGFADJ_SOLVE\(NAME, KIND\)(.*)", source)
        assert body is not None and kind
        source += body[1].replace("NAME", macro) + "\n"
    found = re.findall(r'extern "C" __global__ void __launch_bounds__\(\w+\)\s+(\w+)\(([^)]*)\)', source)
    return {name: [p.strip() for p in parameters.split(",")] for name, parameters in found if name != "NAME"}


@cache
def library(folder: Path, scalar: str, width: int, threads: int) -> tuple[Any, dict[str, list[str]]]:
    """All kernels for one scalar and width, built by g++: the library and the parameters of every kernel."""
    module = kernels_module("cuda_module")
    source, types = combined_source(), signatures(combined_source())
    wrappers = ""
    for name, parameters in types.items():
        names = [re.search(r"(\w+)$", p)[1] for p in parameters]  # type: ignore[index]
        wrappers += (
            f'extern "C" bool launch_{name}(int host_grid, int host_shared, {", ".join(parameters)}) '
            f"{{ return run_on_host(host_grid, host_shared, [&] {{ {name}({', '.join(names)}); }}); }}\n"
        )
    path = folder / f"kernels_{scalar}_{width}_{threads}.cpp"
    path.write_text(source + wrappers, encoding="utf-8")
    built = path.with_suffix(".so")
    command = ["g++", "-O0", "-shared", "-fPIC", "-pthread", "-Wall", "-Wno-unused-function", "-Werror"]
    command += [*module.options(scalar, width, threads), "-include", str(HERE / "kernels" / "cuda_on_host.hpp")]
    done = subprocess.run([*command, str(path), "-o", str(built)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.fail(f"g++ does not build the kernels:\n{done.stderr[:4000]}")
    return ctypes.CDLL(str(built)), types


class HostArray(np.ndarray):
    """A NumPy array with what the launchers ask of a CuPy array besides."""

    @property
    def data(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(ptr=self.ctypes.data)


def on_host(x: Any) -> Any:
    """The array, copied, as a `HostArray`."""
    return np.array(x).view(HostArray)


@dataclass
class Launch:
    """What one launch asked for."""

    entry: str
    grid: int
    threads: int
    shared_bytes: int
    opted_in: int


@dataclass
class HostCupy:
    """The calls of CuPy that the launchers make."""

    folder: Path
    attributes: dict[str, int] = field(default_factory=lambda: dict(H100))
    launches: list[Launch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ndarray = type("ndarray", (), {})  # array_api_compat asks for it; no array of the tests is one
        for name in ("abs", "arange", "broadcast_to", "empty", "eye", "maximum", "where", "zeros", "zeros_like"):
            setattr(self, name, self._viewed(getattr(np, name)))
        self.ascontiguousarray, self.int64, self.uint64 = self._viewed(np.ascontiguousarray), np.int64, np.uint64
        self.asarray = self._viewed(np.asarray)
        self.cuda = SimpleNamespace(
            Device=lambda number: SimpleNamespace(attributes=self.attributes),
            runtime=SimpleNamespace(getDevice=lambda: 0),
            device=SimpleNamespace(get_cublas_handle=lambda: 1),
            cublas=SimpleNamespace(
                **{f"{letter}getrfBatched": _getrf(dtype) for letter, dtype in zip("sdcz", "fdFD")},
                **{f"{letter}getriBatched": _getri(dtype) for letter, dtype in zip("sdcz", "fdFD")},
            ),
        )

    def _viewed(self, function: Any) -> Any:
        def call(*arguments: Any, **keywords: Any) -> Any:
            return function(*arguments, **keywords).view(HostArray)

        return call

    def RawModule(self, *, code: str, options: tuple[str, ...]) -> Any:
        """As CuPy's: `get_function(entry)` is callable as (grid, block, arguments, shared_mem=…)."""
        given = dict(option[2:].split("=") for option in options if option.startswith("-D"))
        scalar = {v: k for k, v in kernels_module("cuda_module").SCALARS.items()}[given["NEGFADJ_SCALAR"]]
        width, threads = int(given["NEGFADJ_WIDTH"]), int(given["NEGFADJ_THREADS"])
        built, types = library(self.folder, scalar, width, threads)

        def get_function(entry: str) -> HostKernel:
            assert entry in signatures(code), f"{entry} is not in the source it is loaded from"
            return HostKernel(self, entry, types[entry], getattr(built, f"launch_{entry}"), threads)

        return SimpleNamespace(get_function=get_function)


@dataclass
class HostKernel:
    """A kernel built by g++."""

    cupy: HostCupy
    entry: str
    types: list[str]
    function: Any
    threads: int
    max_dynamic_shared_size_bytes: int = 48 * 1024

    def __call__(self, grid: Any, block: Any, arguments: tuple[Any, ...], *, shared_mem: int) -> None:
        assert len(grid) == 1 and 1 <= grid[0] < 2**31 and block == (self.threads,) and self.threads <= 1024
        assert shared_mem <= self.max_dynamic_shared_size_bytes <= self.cupy.attributes["MaxSharedMemoryPerBlockOptin"]
        assert len(arguments) == len(self.types), f"{self.entry}: {len(arguments)} arguments for {len(self.types)}"
        given = [_as_c(x, kind) for x, kind in zip(arguments, self.types)]
        self.function.restype = ctypes.c_bool
        clean = self.function(ctypes.c_int(grid[0]), ctypes.c_int(shared_mem), *given)
        assert clean, f"{self.entry} wrote past the {shared_mem} bytes of shared memory it asked for"
        self.cupy.launches.append(
            Launch(self.entry, grid[0], block[0], shared_mem, self.max_dynamic_shared_size_bytes)
        )


def _as_c(x: Any, kind: str) -> Any:
    """One argument as the signature has it; a scalar of another size would corrupt a launch."""
    if "*" in kind:
        if isinstance(x, np.ndarray):
            assert x.flags.c_contiguous, f"{kind}: the array is not in C order"
            return ctypes.c_void_p(x.ctypes.data)
        assert x.dtype == np.uint64, f"{kind}: {x!r} is no pointer"
        return ctypes.c_void_p(int(x))
    wanted = OF_C[kind.rsplit(" ", 1)[0]]
    assert isinstance(x, np.generic) and x.dtype == wanted, f"{kind}: {x!r} is no {wanted}"
    return {"i4": ctypes.c_int, "i8": ctypes.c_longlong, "f8": ctypes.c_double}[wanted](x.item())


def _matrix(pointer: int, n: int, dtype: str) -> np.ndarray:
    """The column-major matrix at an address."""
    size = n * n * np.dtype(dtype).itemsize
    flat = np.frombuffer((ctypes.c_char * size).from_address(int(pointer)), dtype=dtype)
    return flat.reshape(n, n, order="F")


def _integers(pointer: int, count: int, dtype: str = "i4") -> np.ndarray:
    size = count * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(int(pointer)), dtype=dtype)


def _getrf(dtype: str) -> Any:
    def getrf(handle: int, n: int, a: int, lda: int, pivots: int, info: int, count: int) -> None:
        assert lda == n
        for k, pointer in enumerate(_integers(a, count, "u8")):
            matrix = _matrix(pointer, n, dtype)
            factors, order, fault = lapack.get_lapack_funcs("getrf", (matrix,))(matrix)
            matrix[:] = factors
            _integers(pivots, count * n)[k * n : (k + 1) * n] = order + 1
            _integers(info, count)[k] = fault

    return getrf


def _getri(dtype: str) -> Any:
    def getri(handle: int, n: int, a: int, lda: int, pivots: int, c: int, ldc: int, info: int, count: int) -> None:
        assert lda == ldc == n
        sources, targets = _integers(a, count, "u8"), _integers(c, count, "u8")
        for k in range(count):
            factors = _matrix(sources[k], n, dtype)
            order = _integers(pivots, count * n)[k * n : (k + 1) * n] - 1
            found, fault = lapack.get_lapack_funcs("getri", (factors,))(factors, order)
            _matrix(targets[k], n, dtype)[:] = found
            _integers(info, count)[k] = fault

    return getri


def install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> HostCupy:
    """Put a `HostCupy` in place of CuPy until the test ends."""
    cupy: Any = HostCupy(folder)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    forget()
    return cupy


def forget() -> None:
    """Empty the launchers' caches, which hold compiled kernels and facts about a device."""
    for module, name in (("cuda_module", "function"), ("cuda_launch", "most_shared_bytes")):
        getattr(kernels_module(module), name).cache_clear()
