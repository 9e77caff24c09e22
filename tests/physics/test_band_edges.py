"""Band edges of leads: closed forms, extrema inside the zone, Hellmann–Feynman."""

from __future__ import annotations

import numpy as np
from biased_devices import random_device

import negfadj as na
from negfadj.array import rebuild, tree_map
from negfadj.physics.band_edges import band_edges, has_same_bands, pull_band_edges

ALL = (-1e3, 1e3)


def test_band_edges_of_a_chain_are_at_twice_the_hopping() -> None:
    lead = na.Lead([[0.3]], [[-1.2]], block=0)
    np.testing.assert_allclose(band_edges(lead, *ALL).energies, [0.3 - 2.4, 0.3 + 2.4], atol=1e-14)
    assert band_edges(lead, 0.0, 5.0).energies.max() == band_edges(lead, *ALL).energies.max()


def test_band_edge_inside_the_zone_is_found() -> None:
    # first and second neighbours, two atoms a cell: E = 2 t cos q + 2 s cos 2q has its minimum at cos q = −t/4s
    t, s = -1.0, 0.6
    lead = na.Lead([[0, t], [t, 0]], [[s, 0], [t, s]], block=0)
    lowest_inside = -2 * s - t**2 / (4 * s)
    assert np.abs(band_edges(lead, *ALL).energies - lowest_inside).min() < 1e-12
    assert np.isclose(band_edges(lead, *ALL).energies.max(), 2 * s - 2 * t)


def test_bands_that_cross_have_no_edge_there() -> None:
    # the folded chain: its bands meet at E = 0, k = π, with a slope
    lead = na.Lead([[0.0, -1.0], [-1.0, 0.0]], [[0.0, 0.0], [-1.0, 0.0]], block=0)
    energies = band_edges(lead, *ALL).energies
    assert np.isclose(energies.min(), -2) and np.isclose(energies.max(), 2)


def test_pull_band_edges_agrees_with_differences() -> None:
    lead, other = random_device().leads
    assert has_same_bands(lead, lead) and not has_same_bands(lead, other)
    edges = band_edges(lead, *ALL)
    rng = np.random.default_rng(0)
    weights = rng.normal(size=len(edges.energies))
    zero = tree_map(lambda x: 0 * x, lead)
    bar = pull_band_edges(lead, edges, weights, zero)
    tangent = lead.project_tangent(tree_map(lambda x: rng.normal(size=np.shape(x)) if np.ndim(x) else 0.0, lead))
    names = ("onsite", "hopping", "overlap_onsite", "overlap_hopping")
    exact = sum(np.sum(np.conj(getattr(bar, n)) * getattr(tangent, n)).real for n in names)

    def loss(h: float) -> float:
        moved = rebuild(lead, **{n: getattr(lead, n) + h * getattr(tangent, n) for n in names})
        return float(weights @ band_edges(moved, *ALL).energies)

    h = 1e-4
    slope = (8 * (loss(h) - loss(-h)) - loss(2 * h) + loss(-2 * h)) / (12 * h)
    assert np.isclose(exact, slope, rtol=1e-7)
    assert np.isclose(float(bar.potential_energy), weights.sum())
