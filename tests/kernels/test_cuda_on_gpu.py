"""On a GPU: every CUDA kernel is its reference, and whole calls give what they give on the CPU.

All of it is skipped without CuPy and a GPU, and fails without them under --require-gpu. What can be checked without a
GPU is in test_cuda_values.py, test_cuda_races.py and test_cuda_compile.py.
"""

from __future__ import annotations

import cuda_cases
import numpy as np
import pytest
from backends import BACKENDS, host
from cases import open_system, random_device, ribbon, strip
from cuda_on_host import SOURCES, kernels_module

import negfadj as na
from negfadj.array import KERNELS, counted_transfers, kernels
from negfadj.primitives.whole_sweep import sweep_blocks

pytestmark = pytest.mark.gpu
CUPY = BACKENDS["cupy"]
SIZES = [(scalar, n) for scalar in "fdFD" for n in (1, 3, 8, 13, 16, 27, 32)] + [("D", 40), ("D", 64), ("F", 100)]
ENERGIES = np.linspace(-1.4, 1.4, 57) + 0.0031


@pytest.mark.parametrize(("scalar", "n"), SIZES)
def test_kernels_equal_their_references(scalar: str, n: int) -> None:
    for case in cuda_cases.cases(scalar, n):
        kernel = KERNELS[case.kernel]
        assert kernel.cuda is not None
        found = cuda_cases.arrays(kernels._load(kernel.cuda)(*CUPY(case.arguments)))
        expected = cuda_cases.arrays(kernel.reference(*case.arguments))
        for x, y in zip(found, expected, strict=True):
            assert x.shape == y.shape and x.dtype == y.dtype, case
            cuda_cases.assert_close(x, y, case.growth)


@pytest.mark.parametrize("name", cuda_cases.KERNEL_NAMES)
def test_kernel_gives_the_same_bits_again(name: str) -> None:
    """A race would not; 50 launches beside one another."""
    for case in [c for c in cuda_cases.cases("D", 16) if c.kernel == name]:
        run, arguments = kernels._load(KERNELS[name].cuda or ""), CUPY(case.arguments)
        first = cuda_cases.arrays(run(*arguments))
        for found in [run(*arguments) for _ in range(50)]:
            assert all(np.array_equal(x, y) for x, y in zip(first, cuda_cases.arrays(found))), case


@pytest.mark.parametrize("n", [8, 32, 64, 300])
def test_inverse_of_a_singular_matrix_is_nan_there_alone(n: int) -> None:
    x = np.stack([np.eye(n), np.zeros((n, n)), 2 * np.eye(n)]).astype(complex)
    found = host(KERNELS["inverse"](CUPY(x)))
    assert np.isnan(found[1].real).all() and np.isnan(found[1].imag).all()
    assert np.allclose(found[[0, 2]], x[[0, 2]] / np.array([1, 4])[:, None, None], rtol=1e-14)


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_compiles_with_cupy(name: str) -> None:
    import cupy

    module, launch = kernels_module("cuda_module"), kernels_module("cuda_launch")
    for scalar in "fdFD":
        for width, threads in launch.THREADS.items():
            cupy.RawModule(code=module.inlined(name), options=module.options(scalar, width, threads)).compile()


def test_a_large_batch_equals_its_parts() -> None:
    """More thread blocks than the device runs at once."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 16, 16)) + 1j * rng.normal(size=(20_000, 16, 16)) + 8 * np.eye(16)
    found = host(KERNELS["inverse"](CUPY(x)))
    assert np.max(np.abs(found @ x - np.eye(16))) <= 1e-12


# Whole calls --------------------------------------------------------------------------------------------------------

DEVICES = {
    "strip": strip(6, 20, disorder=0.3),
    "ribbon": ribbon(8, 6, disorder=0.2),
    "complex": random_device(7, overlap=False),
    "overlap": random_device(8, is_complex=False),
    "wide": strip(40, 6, disorder=0.3),
}


@pytest.mark.parametrize("eta", [1e-3, 0.0])
@pytest.mark.parametrize("name", ["transmission", "density_of_states", "bond_current"])
@pytest.mark.parametrize("device", DEVICES.values(), ids=DEVICES)
def test_observables_are_those_of_the_cpu(device: na.Device, name: str, eta: float) -> None:
    is_random = device is DEVICES["overlap"] or device is DEVICES["complex"]  # their band edges are elsewhere
    energies = np.array([0.3, 0.6]) if is_random else ENERGIES
    expected = getattr(na, name)(device, energies, eta=eta)
    found = getattr(na, name)(device, energies, eta=eta, backend="gpu")
    assert type(found) is np.ndarray
    assert np.max(np.abs(found - expected)) <= 1e-10 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("device", DEVICES.values(), ids=DEVICES)
def test_gradients_are_those_of_the_cpu(device: na.Device) -> None:
    energies = np.array([0.3, 0.41, 0.6])
    weights = np.array([1.0, -0.3, 0.7])
    bars = []
    for backend in (None, "gpu"):
        _, pullback = na.transmission_vjp(device, energies, eta=1e-3, backend=backend)
        bars.append(pullback(weights))
    for x, y in zip(cuda_cases.arrays(bars[0]), cuda_cases.arrays(bars[1]), strict=True):
        assert np.max(np.abs(x - y)) <= 1e-9 * max(1.0, np.abs(x).max())


def test_one_transfer_in_and_one_out() -> None:
    device = strip(6, 20)
    with counted_transfers() as count:
        na.transmission(device, ENERGIES, backend="gpu")
    assert (count.calls_in, count.calls_out, count.arrays_out) == (1, 1, 1)
    assert count.bytes_out == 8 * len(ENERGIES)


def test_reference_and_kernels_agree_on_the_gpu() -> None:
    device = DEVICES["strip"]
    found = na.transmission(device, ENERGIES, eta=1e-3, backend="gpu")
    with na.use_kernels("reference"):
        expected = na.transmission(device, ENERGIES, eta=1e-3, backend="gpu")
    assert np.max(np.abs(found - expected)) <= 1e-10 * np.abs(expected).max()


def test_a_memory_limit_does_not_change_the_answer() -> None:
    device = DEVICES["wide"]
    expected = na.transmission(device, ENERGIES, eta=1e-3, backend="gpu")
    found = na.transmission(device, ENERGIES, eta=1e-3, backend="gpu", memory_limit=4e6)
    assert np.max(np.abs(found - expected)) <= 1e-11 * np.abs(expected).max()


def test_sweep_blocks_of_a_device_on_the_gpu_run_as_one_kernel() -> None:
    system = open_system(DEVICES["strip"], ENERGIES, eta=1e-3, device_eta=1e-3)
    z, blocks = sweep_blocks(CUPY(system))
    kernel = KERNELS["whole_sweep"]
    found = cuda_cases.arrays(kernel(z, blocks, (), True))
    z, blocks = sweep_blocks(system)
    for x, y in zip(found, cuda_cases.arrays(kernel.reference(z, blocks, (), True)), strict=True):
        assert np.max(np.abs(x - y)) <= 1e-10 * np.abs(y).max()
