"""Block-tridiagonal order: what must hold for any sparse matrix and leads, and the sizes it finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ribbons import armchair_ribbon
from scipy import sparse

from negfadj.errors import InputError, ShapeError
from negfadj.models import parameter_set, partition, tight_binding_matrices


def strip(length: int, width: int) -> sparse.csr_array:
    """Nearest-neighbour square lattice, site x·width + y."""

    def path(n: int) -> sparse.csr_array:
        return sparse.diags_array([np.ones(n - 1), np.ones(n - 1)], offsets=[-1, 1], shape=(n, n)).tocsr()

    return sparse.csr_array(
        sparse.kron(path(length), sparse.eye_array(width)) + sparse.kron(sparse.eye_array(length), path(width))
    )


def random_connected(n: int, seed: int) -> sparse.csr_array:
    """A random tree and a few more couplings."""
    random = np.random.default_rng(seed)
    rows = np.arange(1, n)
    columns = np.array([random.integers(max(0, i - 4), i) for i in rows])
    extra = random.integers(0, n, size=(n // 3, 2))
    extra = extra[np.abs(extra[:, 0] - extra[:, 1]) < 6]
    rows, columns = np.concatenate((rows, extra[:, 0])), np.concatenate((columns, extra[:, 1]))
    return sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=(n, n)).tocsr()


def levels_of(cut: object, n: int) -> np.ndarray:
    levels = np.empty(n, dtype=int)
    levels[cut.order] = np.repeat(np.arange(len(cut.block_sizes)), cut.block_sizes)  # type: ignore[attr-defined]
    return levels


@settings(max_examples=40, deadline=None)
@given(n=st.integers(4, 60), n_leads=st.integers(1, 4), seed=st.integers(0, 10**6))
def test_partition_couples_neighbouring_blocks_only_and_puts_each_lead_on_one(n: int, n_leads: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    pattern = random_connected(n, seed)
    interfaces = [random.choice(n, size=random.integers(1, 4), replace=False) for _ in range(n_leads)]
    cut = partition(pattern, interfaces)
    assert sorted(cut.order.tolist()) == list(range(n)) and min(cut.block_sizes) > 0 and sum(cut.block_sizes) == n
    levels = levels_of(cut, n)
    a, b = sparse.coo_array(pattern).coords
    assert np.abs(levels[a] - levels[b]).max() <= 1
    assert all((levels[orbitals] == block).all() for orbitals, block in zip(interfaces, cut.lead_blocks))


def test_partition_of_a_strip_finds_its_columns_whatever_the_order_of_the_sites() -> None:
    length, width = 12, 5
    shuffled = np.random.default_rng(0).permutation(length * width)
    pattern = strip(length, width)[shuffled][:, shuffled]
    place = np.argsort(shuffled)
    cut = partition(pattern, [place[:width], place[-width:]])
    assert cut.block_sizes == (width,) * length and cut.lead_blocks == (0, length - 1)


def test_partition_of_an_armchair_ribbon_is_finer_than_its_cells() -> None:
    ribbon = armchair_ribbon(9, 8)
    pattern = tight_binding_matrices(ribbon, parameter_set("graphene-nearest-neighbour"))[0]
    ends = ribbon.positions[:, 0]
    cut = partition(pattern, [np.flatnonzero(ends < 0.1), np.flatnonzero(ends > ends.max() - 0.1)])
    assert cut.cost < 0.6 * 8 * 18**3


def test_partition_is_refined_below_the_breadth_first_layers() -> None:
    # a strip with a wide bulge on one side of its middle: layers from the left end alone pile it up
    pattern = strip(20, 6).tolil()
    keep = np.ones(120, dtype=bool)
    keep[[x * 6 + y for x in range(8) for y in range(2, 6)]] = False
    graph = sparse.csr_array(pattern)[keep][:, keep]
    first, last = np.arange(2), np.arange(graph.shape[0] - 6, graph.shape[0])
    steps = sparse.csgraph.dijkstra(graph, unweighted=True, indices=first, min_only=True)
    plain = np.bincount(np.minimum(steps, steps[last].min()).astype(int))
    assert partition(graph, [first, last]).cost < np.sum(plain**3)


def test_two_leads_may_touch_the_same_orbitals() -> None:
    cut = partition(strip(4, 2), [[0, 1], [0, 1]])
    assert cut.lead_blocks[0] == cut.lead_blocks[1]


def test_orbitals_without_connection_to_a_lead_are_named() -> None:
    pattern = sparse.block_diag((strip(3, 2), strip(2, 2)), format="csr")
    with pytest.raises(InputError, match=r"4 orbitals have no connection to lead 0 \(the first is orbital 6\)"):
        partition(pattern, [[0, 1]])


def test_a_lead_that_touches_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="lead 1 touches no orbital"):
        partition(strip(3, 2), [[0], []])


def test_a_pattern_that_is_not_square_is_refused() -> None:
    with pytest.raises(ShapeError, match="must be square"):
        partition(sparse.csr_array((3, 4)), [[0]])
