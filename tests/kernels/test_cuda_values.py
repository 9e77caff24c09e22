"""Every CUDA kernel is its reference: the kernels' own sources on host threads, launched by their own launchers.

What this can say and what not: tests/cuda_on_host.py. On a GPU the same comparisons run in test_cuda_on_gpu.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import cuda_cases
import cuda_on_host
import numpy as np
import pytest
from cuda_on_host import HostCupy, kernels_module, on_host

from negfadj.array import KERNELS, is_array, kernels, tree_map

FOLDER: list[Path] = []
OTHERS = (("d", 8), ("F", 8), ("f", 8), ("D", 13), ("D", 32), ("d", 20))


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostCupy]:
    """CuPy's place taken by host threads; what was built is kept for the other tests."""
    if not FOLDER:
        FOLDER.append(tmp_path_factory.mktemp("cuda_on_host"))
    yield cuda_on_host.install(monkeypatch, FOLDER[0])
    cuda_on_host.forget()


def both(case: cuda_cases.Case) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What the launcher gives on host threads and what the reference gives, as lists of arrays."""
    kernel = KERNELS[case.kernel]
    assert kernel.cuda is not None
    moved = tree_map(lambda x: on_host(x) if is_array(x) else x, case.arguments)
    found = kernels._load(kernel.cuda)(*moved)
    return cuda_cases.arrays(found), cuda_cases.arrays(kernel.reference(*case.arguments))


def assert_equal(case: cuda_cases.Case) -> None:
    found, expected = both(case)
    assert len(found) == len(expected) > 0
    for x, y in zip(found, expected):
        assert x.shape == y.shape and x.dtype == y.dtype
        cuda_cases.assert_close(x, y, case.growth)


@pytest.mark.parametrize("case", cuda_cases.cases("D", 8), ids=str)
def test_kernel_equals_its_reference(case: cuda_cases.Case, cupy: HostCupy) -> None:
    assert_equal(case)
    assert {launch.threads for launch in cupy.launches} == {32}
    assert {launch.grid for launch in cupy.launches} == {cuda_cases.N_ENERGIES}


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [case for scalar, n in OTHERS for case in cuda_cases.cases(scalar, n)],
    ids=str,
)
def test_kernel_equals_its_reference_for_every_scalar_and_width(case: cuda_cases.Case, cupy: HostCupy) -> None:
    assert_equal(case)
    assert cupy.launches


@pytest.mark.parametrize("case", cuda_cases.cases("D", 35), ids=str)
def test_larger_matrices_need_no_kernel(case: cuda_cases.Case, cupy: HostCupy) -> None:
    assert_equal(case)
    assert not cupy.launches


@pytest.mark.parametrize("n", [3, 40])
def test_inverse_of_a_singular_matrix_is_nan_there_alone(n: int, cupy: HostCupy) -> None:
    x = np.stack([np.eye(n), np.zeros((n, n)), 2 * np.eye(n)]).astype(complex)
    found = kernels_module("cuda_inverse").inverse(on_host(x))
    assert np.isnan(found[1].real).all() and np.isnan(found[1].imag).all()
    assert np.array_equal(found[[0, 2]], x[[0, 2]] / np.array([1, 4])[:, None, None])


def test_inverse_needs_its_pivots(cupy: HostCupy) -> None:
    """Zeros on the diagonal, every exchange another row: without pivots, or with them undone wrongly, no inverse."""
    rng = np.random.default_rng(5)
    x = np.stack([np.eye(8)[rng.permutation(8)] * rng.normal(size=8) for _ in range(5)]).astype(complex)
    x[:, 0, 0] = 0
    x = x + 1e-3 * np.triu(rng.normal(size=(8, 8)), 1)
    found = kernels_module("cuda_inverse").inverse(on_host(x))
    assert np.max(np.abs(found @ x - np.eye(8))) <= 1e-15 * 8 * np.max(np.linalg.cond(x))


def test_complex_hoppings_of_a_real_sweep_are_left_to_arrays(cupy: HostCupy) -> None:
    case = next(c for c in cuda_cases.cases("d", 8) if c.kernel == "eliminate" and c.label == "dense")
    g, diagonal, lower, upper, w = case.arguments
    found, _ = kernels_module("cuda_elimination").eliminate(
        *(on_host(x) for x in (g, diagonal, lower * 1j, upper, w))
    )
    assert found.dtype == np.complex128 and {launch.entry for launch in cupy.launches} == {"inverse"}


def test_a_device_with_too_little_shared_memory_takes_arrays(cupy: HostCupy) -> None:
    cupy.attributes["MaxSharedMemoryPerBlockOptin"] = 1024
    assert_equal(next(c for c in cuda_cases.cases("D", 8) if c.kernel == "whole_sweep"))
    assert not cupy.launches


@pytest.mark.slow
def test_shared_memory_above_48_kib_is_asked_for(cupy: HostCupy) -> None:
    assert_equal(next(c for c in cuda_cases.cases("D", 32) if c.kernel == "eliminate"))
    (launch,) = cupy.launches
    assert 48 * 1024 < launch.shared_bytes == launch.opted_in


@pytest.mark.parametrize("name", ["A100", "H100", "GeForce"])
def test_every_kernel_fits_the_shared_memory_of_these_devices(name: str) -> None:
    most = {"A100": 166912, "H100": 232448, "GeForce": 101376}[name]  # bytes a block may ask for
    launch = kernels_module("cuda_launch")
    for module in ("inverse", "elimination", "sweep", "solve", "decimation", "stein"):
        shared = kernels_module(f"cuda_{module}").SHARED
        for itemsize in (4, 8, 16):
            assert launch.shared_bytes(32, itemsize=itemsize, **shared) <= most


def test_tables_have_the_words_of_their_structures() -> None:
    source = kernels_module("cuda_module").inlined("sweep.cu")
    words = {name: int(count) for name, count in re.findall(r"constexpr int (\w+)_WORDS = (\d+)", source)}
    case = next(c for c in cuda_cases.cases("D", 8) if c.label == "carried")
    z, blocks, sources, *_ = tree_map(lambda x: on_host(x) if is_array(x) else x, case.arguments)
    sweep = kernels_module("cuda_sweep")
    with pytest.MonkeyPatch.context() as patch:
        cuda_on_host.install(patch, Path())
        assert {len(row) for row in sweep._rows(z, blocks, [])} == {words["BLOCK_ROW"]}
        assert {len(sweep._source_row(source, z, [])) for source in sources} == {words["SOURCE_ROW"]}
    cuda_on_host.forget()


@pytest.mark.parametrize("n", [8, 35])
def test_a_singular_block_of_a_sweep_is_no_finite_growth(n: int, cupy: HostCupy) -> None:
    case = next(c for c in cuda_cases.cases("D", n) if c.label == "carried")
    z, blocks, *rest = case.arguments
    middle = blocks[0]._replace(self_energy=None, onsite=np.diag([z[1]] * n))
    z, blocks, *rest = tree_map(lambda x: on_host(x) if is_array(x) else x, (z, (middle, *blocks[1:]), *rest))
    growth = kernels_module("cuda_sweep").whole_sweep(z, blocks, *rest).growth
    assert np.isfinite(growth).tolist() == [True, False, True]


def test_every_cuda_path_of_the_registry_is_there() -> None:
    paths = {name: kernel.cuda for name, kernel in KERNELS.items() if kernel.cuda is not None}
    assert set(paths) >= set(cuda_cases.KERNEL_NAMES)
    assert all(callable(kernels._load(path)) for path in paths.values())


def test_what_decimation_gives_solves_the_equation_of_the_surface(cupy: HostCupy) -> None:
    case = next(c for c in cuda_cases.cases("D", 8) if c.kernel == "decimation")
    a00, a01, a10, eps, most = case.arguments
    right, left = kernels_module("cuda_decimation").decimation(*(on_host(x) for x in (a00, a01, a10)), eps, most)
    for beyond, to, back in ((right, a01, a10), (left, a10, a01)):
        g = np.linalg.inv(a00 - np.asarray(beyond))
        assert np.max(np.abs(g @ (a00 - to @ g @ back) - np.eye(a00.shape[-1]))) <= 1e-11
