"""Threads that share the energies, and batches that run out of memory."""

from __future__ import annotations

from typing import Any

import cases
import numpy as np
import pytest

import negfadj as na
from negfadj.array import leaves
from negfadj.physics import evaluate as module

ENERGIES = np.linspace(-1.3, 1.1, 37)


def _device() -> na.Device:
    return cases.random_device(3, (3, 4, 3), is_complex=False)


@pytest.mark.parametrize("n_threads", [2, 3])
def test_threads_give_the_numbers_of_one_thread(n_threads: int) -> None:
    device = _device()
    value, pullback = na.transmission_vjp(device, ENERGIES, eta=1e-3)
    bar = pullback(np.ones_like(value))
    with na.use_threads(n_threads):
        again, pullback = na.transmission_vjp(device, ENERGIES, eta=1e-3)
        bars = [pullback(np.ones_like(value)) for _ in range(2)]
        np.testing.assert_allclose(na.transmission(device, ENERGIES, eta=1e-3), value, rtol=1e-12)
    np.testing.assert_allclose(again, value, rtol=1e-12)
    for x, y, z in zip(leaves(bar), leaves(bars[0]), leaves(bars[1])):
        np.testing.assert_allclose(y, x, rtol=1e-9, atol=1e-11)
        np.testing.assert_array_equal(y, z)  # bit for bit for one number of threads


def test_error_in_a_thread_comes_through_with_its_energy() -> None:
    one = np.ones((1, 1))
    leads = [na.Lead(0 * one, -one, block=k) for k in (0, -1)]
    device = na.Device(na.BlockTridiagonal([0 * one] * 3, [-one] * 2), leads)
    with na.use_threads(2), pytest.raises(na.ConvergenceError) as caught:
        na.transmission(device, [0.1, 0.2, 0.3, 2.0])  # a band edge
    assert caught.value.energies == [2.0]


@pytest.mark.parametrize("n_threads", [1, 2])
def test_batch_out_of_memory_is_halved(n_threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    device = _device()
    value, pullback = na.transmission_vjp(device, ENERGIES, eta=1e-3)
    bar = pullback(np.ones_like(value))
    assemble, sizes = module.assemble, []

    def short_of_memory(request: Any, where: slice) -> Any:
        sizes.append(where.stop - where.start)
        if sizes[-1] > 5:
            raise MemoryError
        return assemble(request, where)

    assemble_vjp = module.assemble_vjp

    def short_of_memory_vjp(request: Any, where: slice) -> Any:
        if where.stop - where.start > 5:
            raise MemoryError
        return assemble_vjp(request, where)

    monkeypatch.setattr(module, "assemble", short_of_memory)
    monkeypatch.setattr(module, "assemble_vjp", short_of_memory_vjp)
    with na.use_threads(n_threads):
        np.testing.assert_allclose(na.transmission(device, ENERGIES, eta=1e-3), value, rtol=1e-12)
        again, pullback = na.transmission_vjp(device, ENERGIES, eta=1e-3)
        np.testing.assert_allclose(again, value, rtol=1e-12)
        for x, y in zip(leaves(bar), leaves(pullback(np.ones_like(value)))):
            np.testing.assert_allclose(y, x, rtol=1e-9, atol=1e-11)
    assert max(sizes) > 5 and min(sizes) <= 5


@pytest.mark.parametrize(
    ("n_threads", "error"), [(0, na.InputError), (2.0, na.InputTypeError), (True, na.InputTypeError)]
)
def test_use_threads_refuses_what_is_no_positive_integer(n_threads: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="n_threads="), na.use_threads(n_threads):
        pass
