"""Namespaces, transfers, trees, memory: the few helpers everything above stands on."""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from backends import NUMPY, STRICT, Backend, gpu_fault, host
from cases import random_device

import negfadj as na
from negfadj import array as layer
from negfadj.array.kernels import KERNELS


def test_array_namespace_is_that_of_the_arrays(backend: Backend) -> None:
    x = backend.convert(np.ones(2))
    assert type(layer.array_namespace(x, None, 1.0).ones(1)) is type(x)


def test_array_namespace_of_mixed_libraries_names_both() -> None:
    with pytest.raises(na.InputTypeError, match="array_api_strict, numpy"):
        layer.array_namespace(np.ones(1), STRICT.convert(np.ones(1)))


def test_array_namespace_without_an_array_says_so() -> None:
    with pytest.raises(na.InputTypeError, match="no array"):
        layer.array_namespace(1.0, [2.0])


@pytest.mark.parametrize(
    ("dtype", "is_complex", "is_single", "eps"),
    [
        ("float32", False, True, 2**-23),
        ("complex64", True, True, 2**-23),
        ("float64", False, False, 2**-52),
        ("complex128", True, False, 2**-52),
    ],
)
def test_facts_about_dtypes_are_right(
    dtype: str, is_complex: bool, is_single: bool, eps: float, backend: Backend
) -> None:
    x = backend.convert(np.ones(2, dtype=dtype))
    assert (layer.is_complex(x), layer.is_single(x)) == (is_complex, is_single)
    assert layer.eps_of(x) == pytest.approx(eps, rel=1e-6)


def test_complex_dtype_is_single_when_all_are() -> None:
    single, double = np.ones(1, np.float32), np.ones(1)
    assert layer.complex_dtype(single, single) == np.complex64
    assert layer.complex_dtype(single, double) == np.complex128


def test_as_real_like_takes_the_field_of_the_primal() -> None:
    x = np.array([1 + 2j])
    assert layer.as_real_like(x, np.ones(1)).dtype == np.float64
    assert layer.as_real_like(x, np.ones(1, np.complex64)).dtype == np.complex64


def test_to_numpy_comes_back_from_every_backend(backend: Backend) -> None:
    x = np.arange(6.0).reshape(2, 3) + 1j
    assert np.array_equal(layer.to_numpy(backend.convert(x)), x)


def test_the_second_strict_device_refuses_silent_copies() -> None:
    with pytest.raises((RuntimeError, ValueError, TypeError)):
        np.asarray(STRICT.convert(np.ones(2)))


# Trees --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tree:
    x: Any
    y: Any = None
    name: str = "t"
    index: Any = field(default=None, metadata=layer.STATIC)


class Pair(NamedTuple):
    first: Any
    second: Any


def test_tree_map_reaches_arrays_and_floats_only() -> None:
    tree = Tree((np.ones(2), 3.0, 4), Pair([np.zeros(1)], None), index=np.ones(1))
    doubled = layer.tree_map(lambda x: x * 2, tree)
    assert doubled.x[0].tolist() == [2, 2] and doubled.x[1:] == (6.0, 4)
    assert isinstance(doubled.y, Pair) and doubled.y.second is None
    assert doubled.index.tolist() == [1] and doubled.name == "t"


def test_tree_map_hands_on_missing_parts_as_none() -> None:
    seen: list[Any] = []
    layer.tree_map(lambda x, y: seen.append((x, y)), Tree(1.0, 2.0), Tree(5.0, None))
    assert seen == [(1.0, 5.0), (2.0, None)]


def test_leaves_are_in_the_order_of_the_fields() -> None:
    assert layer.leaves(Tree(1.0, (2.0, [3.0]))) == [1.0, 2.0, 3.0]


def test_rebuild_leaves_the_original_alone() -> None:
    tree = Tree(1.0)
    assert layer.rebuild(tree, x=2.0).x == 2.0 and tree.x == 1.0


# Backends -----------------------------------------------------------------------------------------------------------


def test_move_in_to_the_cpu_gives_numpy_arrays(backend: Backend) -> None:
    moved = layer.move_in((backend.convert(np.ones(2)), 1.0), "cpu")
    assert type(moved[0]) is np.ndarray and moved[1] == 1.0


def test_move_in_without_a_backend_gives_the_same_tree() -> None:
    tree = (np.ones(2),)
    assert layer.move_in(tree, None) is tree


@pytest.mark.skipif(gpu_fault() is None, reason="a GPU works here")
def test_gpu_namespace_without_a_gpu_says_what_is_missing() -> None:
    with pytest.raises(na.BackendError, match=r'(?s)backend="gpu".*use backend="cpu"'):
        layer.gpu_namespace()


@pytest.mark.gpu
def test_move_out_comes_back_to_numpy() -> None:
    moved = layer.move_in((np.ones(2),), "gpu")
    assert type(layer.move_out(moved, (np.ones(2),), "gpu")[0]) is np.ndarray


@pytest.mark.gpu
def test_transfers_are_counted() -> None:
    energies = np.linspace(-1, 1, 3)
    with layer.counted_transfers() as count:
        (moved,) = layer.move_in((energies,), "gpu")
        layer.move_in((moved,), "gpu")  # is there already
        layer.move_out(moved, (energies,), "gpu")
    assert (count.calls_in, count.arrays_in, count.bytes_in) == (1, 1, 24)
    assert (count.calls_out, count.arrays_out, count.bytes_out) == (1, 1, 24)


def test_arrays_of_the_host_are_no_transfer() -> None:
    with layer.counted_transfers() as count:
        moved = layer.move_in((np.ones(2),), "cpu")
        layer.move_out(moved, (np.ones(2),), "cpu")
    assert count == layer.Transfers()


def test_arrays_from_another_library_are_counted_on_their_way_out() -> None:
    with layer.counted_transfers() as count:
        layer.move_out((STRICT.convert(np.ones(2)),), (np.ones(2),), "gpu")
    layer.move_out((STRICT.convert(np.ones(2)),), (np.ones(2),), "gpu")  # after the block: not counted
    assert (count.calls_out, count.arrays_out) == (1, 1)


def test_a_stream_of_its_own_is_nothing_on_the_host() -> None:
    with layer.own_stream(np.ones(1)):
        pass


def test_a_stream_of_its_own_is_tied_to_the_stream_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of the calls alone, on a stand-in for CuPy; that they do what they say only a GPU can show."""
    calls: list[str] = []

    class Stream:
        def __init__(self, name: str) -> None:
            self.name = name

        def record(self) -> str:
            calls.append(f"record {self.name}")
            return self.name

        def wait_event(self, event: str) -> None:
            calls.append(f"{self.name} waits for {event}")

        def __enter__(self) -> None:
            calls.append(f"enter {self.name}")

        def __exit__(self, *fault: object) -> None:
            calls.append(f"leave {self.name}")

    class OnGpu:
        """Passes for a CuPy array."""

    cuda = SimpleNamespace(get_current_stream=lambda: Stream("around"), Stream=lambda non_blocking: Stream("own"))
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(ndarray=OnGpu, cuda=cuda))
    with pytest.raises(ZeroDivisionError), layer.own_stream(OnGpu()):
        calls.append("work")
        raise ZeroDivisionError
    assert calls == [
        "record around",
        "own waits for around",
        "enter own",
        "work",
        "leave own",
        "record own",
        "around waits for own",
    ]


@pytest.mark.gpu
def test_a_stream_of_its_own_waits_for_what_was_queued_before_and_is_waited_for() -> None:
    import cupy

    x = cupy.ones((512, 512))
    for _ in range(20):
        x = x @ x / 512
    with layer.own_stream(x):
        inside = x + 1
    assert float(cupy.abs(inside - 2).max()) <= 1e-12


# Kernels ------------------------------------------------------------------------------------------------------------


def test_use_kernels_refuses_another_choice() -> None:
    with pytest.raises(na.InputError, match=r"'fastest'.*auto.*reference"), na.use_kernels("fastest"):  # type: ignore[arg-type]
        pass


def test_use_kernels_ends_with_its_block() -> None:
    kernel, x = KERNELS["inverse"], np.eye(2)
    before = kernel.implementation(x)
    with na.use_kernels("reference"):
        assert kernel.implementation(x) is kernel.reference
    assert kernel.implementation(x) is before


@pytest.mark.parametrize("name", ["transmission", "density_of_states", "bond_current"])
def test_kernels_give_what_their_references_give(name: str) -> None:
    device, energies = random_device(4), np.array([-0.4, 0.3])
    for eta in (0.0, 0.05):
        found = getattr(na, name)(device, energies, eta=eta)
        with na.use_kernels("reference"):
            expected = getattr(na, name)(device, energies, eta=eta)
        assert np.allclose(found, expected, rtol=1e-11, atol=1e-12)


def test_inverse_is_the_inverse(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 4, 4)) + 1j * rng.normal(size=(3, 4, 4))
    found = host(layer.inverse(backend.convert(x)))
    assert np.max(np.abs(found @ x - np.eye(4))) <= 1e-12


def test_inverse_of_a_singular_matrix_is_nan_there_alone(backend: Backend) -> None:
    x = np.stack([np.eye(2), np.zeros((2, 2)), 2 * np.eye(2)]).astype(complex)
    for choice in ("auto", "reference"):
        with na.use_kernels(choice):
            found = host(layer.inverse(backend.convert(x)))
        assert np.isnan(found[1].real).all() and np.isnan(found[1].imag).all()  # what takes Im G must see it
        assert np.array_equal(found[[0, 2]], x[[0, 2]].conj() / np.array([1, 4])[:, None, None])


# Linear algebra -----------------------------------------------------------------------------------------------------


def test_adjoint_is_the_conjugate_transpose(backend: Backend) -> None:
    x = np.arange(12).reshape(2, 2, 3) * (1 + 2j)
    assert np.array_equal(host(layer.adjoint(backend.convert(x))), x.conj().swapaxes(-1, -2))


def test_sum_of_products_is_the_sum_over_energies(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 2, 4)) + 1j, rng.normal(size=(3, 4, 5)) - 1j
    found = host(layer.sum_of_products(*backend((x, y))))
    assert np.allclose(found, (x @ y).sum(axis=0), rtol=0, atol=1e-13)


def test_trace_product_is_the_inner_product(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(3, 2, 4)) + 1j * rng.normal(size=(3, 2, 4)) for _ in range(2))
    expected = [np.vdot(a, b) for a, b in zip(x, y)]
    assert np.allclose(host(layer.trace_product(*backend((x, y)))), expected, rtol=0, atol=1e-13)


def test_eig_diagonalises_a_stack(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 4, 4)) + 1j * rng.normal(size=(3, 4, 4))
    moved = backend.convert(x)
    values, vectors = layer.eig(moved)
    assert type(vectors) is type(moved) and layer.device_of(vectors) == layer.device_of(moved)
    values, vectors = host((values, vectors))
    assert np.max(np.abs(x @ vectors - vectors * values[:, None, :])) <= 1e-13 * 10


# Memory -------------------------------------------------------------------------------------------------------------


def test_free_memory_is_positive() -> None:
    assert layer.free_memory(NUMPY.convert(np.ones(1))) > 2**20


def test_memory_budget_is_the_limit_given() -> None:
    assert layer.memory_budget(np.ones(1), 12345.6) == 12345


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_memory_budget_refuses_what_is_not_positive(limit: float) -> None:
    with pytest.raises(na.InputError, match="memory_limit"):
        layer.memory_budget(np.ones(1), limit)


@pytest.mark.parametrize(
    ("n_energies", "each", "budget", "size"), [(10, 100, 1000, 10), (10, 100, 350, 3), (10, 100, 100, 1), (1, 1, 10, 1)]
)
def test_batch_size_is_what_fits(n_energies: int, each: int, budget: int, size: int) -> None:
    assert layer.batch_size(n_energies, each, budget, most=256) == size


def test_batch_size_is_never_more_than_asked_for() -> None:
    assert layer.batch_size(1000, 1, 10**9, most=16) == 16


def test_batch_size_of_nothing_that_fits_says_the_bytes() -> None:
    with pytest.raises(na.MemoryLimitError, match="one energy needs 2,000 bytes but memory_limit allows 1,999"):
        layer.batch_size(10, 2000, 1999, most=256)


def full_above(most: int, calls: list[slice], error: Exception) -> Any:
    """Work that needs more memory than there is for more than `most` energies."""

    def work(part: slice) -> list[int]:
        calls.append(part)
        if part.stop - part.start > most:
            raise error
        return list(range(part.start, part.stop))

    return work


@pytest.mark.parametrize("most", [1, 2, 3, 8])
def test_halving_does_every_energy_once_and_in_order(most: int) -> None:
    calls: list[slice] = []
    parts = [slice(0, 8), slice(8, 16), slice(16, 19)]
    done = list(layer.halving(parts, full_above(most, calls, MemoryError()), bytes_per_energy=1))
    assert [number for _, numbers in done for number in numbers] == list(range(19))
    assert all(list(range(part.start, part.stop)) == numbers for part, numbers in done)
    failed = [part for part in calls if part.stop - part.start > most]
    assert len(failed) == {1: 3, 2: 2, 3: 2, 8: 0}[most]  # later parts are cut before they are tried


def test_halving_names_the_bytes_that_one_energy_needs() -> None:
    work = full_above(0, [], MemoryError("asked for 12 GiB"))
    with pytest.raises(na.MemoryLimitError, match=r"one energy needs about 5,000 bytes.*asked for 12 GiB.*split"):
        list(layer.halving([slice(0, 4)], work, bytes_per_energy=5000.7))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("cudaErrorMemoryAllocation: out of memory"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"),
    ],
)
def test_halving_knows_what_is_out_of_memory(error: Exception) -> None:
    assert len(list(layer.halving([slice(0, 4)], full_above(2, [], error), bytes_per_energy=1))) == 2


@pytest.mark.parametrize("error", [ValueError("no"), na.MemoryLimitError("its own fix"), ZeroDivisionError()])
def test_halving_leaves_other_errors_alone(error: Exception) -> None:
    calls: list[slice] = []
    with pytest.raises(type(error)):
        list(layer.halving([slice(0, 4)], full_above(2, calls, error), bytes_per_energy=1))
    assert calls == [slice(0, 4)]


def test_halving_gives_up_what_is_kept_before_it_gives_up() -> None:
    kept = [1]

    def work(part: slice) -> int:
        if kept:
            raise MemoryError
        return part.start

    assert list(layer.halving([slice(3, 4)], work, bytes_per_energy=1, forget=kept.clear)) == [(slice(3, 4), 3)]


def test_halving_holds_nothing_of_the_batch_that_failed() -> None:
    """The arrays of the batch must be free before the next try, or it fails as well."""
    alive: list[weakref.ref[Any]] = []

    class Big:
        pass

    def work(part: slice) -> int:
        assert all(reference() is None for reference in alive)
        big = Big()
        alive.append(weakref.ref(big))
        if part.stop - part.start > 1:
            raise MemoryError
        return 0

    assert len(list(layer.halving([slice(0, 4)], work, bytes_per_energy=1))) == 4


class Pool:
    """A GPU's memory pool that counts how often it was emptied."""

    emptied = 0

    def free_all_blocks(self) -> None:
        self.emptied += 1


def test_halving_empties_the_pool_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool()
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(get_default_memory_pool=lambda: pool))
    list(layer.halving([slice(0, 4)], full_above(1, [], MemoryError()), bytes_per_energy=1))
    assert pool.emptied == 2  # 4 → 2 → 1


def test_errors_are_the_built_in_ones_too() -> None:
    kinds = {
        na.InputError: ValueError,
        na.InputTypeError: TypeError,
        na.ShapeError: ValueError,
        na.HermiticityError: ValueError,
        na.ConvergenceError: RuntimeError,
        na.BackendError: RuntimeError,
        na.MemoryLimitError: MemoryError,
        na.MissingDependencyError: ImportError,
        na.FileFormatError: ValueError,
    }
    assert all(issubclass(kind, na.NegfadjError) and issubclass(kind, base) for kind, base in kinds.items())
