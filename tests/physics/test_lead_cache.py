"""Surface functions kept between calls, and leads solved once within one."""

from __future__ import annotations

import numpy as np
import pytest
from cases import armchair_cell, chain

import negfadj as na
from negfadj.array import rebuild
from negfadj.physics import leads
from negfadj.physics.lead_cache import LeadCache, lead_cache

ENERGIES = np.array([-0.61, 0.23, 0.87])


def _device(disorder: float = 0.3, shifts: tuple[float, float] = (0.0, 0.0)) -> na.Device:
    onsite, hopping = armchair_cell(4)
    layers = [onsite + disorder * np.diag(np.arange(8.0)), onsite]
    ends = (
        na.Lead(onsite, hopping.T.copy(), block=0, potential_energy=shifts[0]),
        na.Lead(onsite.copy(), hopping, block=1, potential_energy=shifts[1]),
    )
    return na.Device(na.BlockTridiagonal(layers, [hopping]), ends)


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the eigenproblems, or decimations, of leads."""
    calls: list[int] = []
    true = leads.lead_ends
    monkeypatch.setattr(leads, "lead_ends", lambda a00, *rest, **kw: calls.append(len(a00)) or true(a00, *rest, **kw))
    return calls


@pytest.mark.parametrize("eta", [0.0, 1e-3])
def test_a_lead_and_its_mirror_image_are_solved_once(eta: float, monkeypatch: pytest.MonkeyPatch) -> None:
    apart = na.transmission(_device(shifts=(0.0, 1e-300)), ENERGIES, eta=eta)
    calls = _counted(monkeypatch)
    found = na.transmission(_device(), ENERGIES, eta=eta)
    assert calls == [len(ENERGIES)]
    assert np.max(np.abs(found - apart)) <= 1e-11


@pytest.mark.parametrize("eta", [0.0, 1e-3])
def test_gradients_of_leads_that_mirror_each_other_pass_the_public_check(eta: float) -> None:
    device = _device()
    na.testing.check_vjp(
        lambda d, e: na.transmission(d, e, eta=eta), lambda d, e: na.transmission_vjp(d, e, eta=eta),
        (device, ENERGIES), step=1e-3, rtol=1e-7,
    )  # fmt: skip


@pytest.mark.parametrize("make", [_device, lambda disorder=0.3: chain(3, onsite=[disorder, 0.1, 0.2])])
def test_a_second_device_between_the_same_leads_takes_them_from_the_cache(make: object) -> None:
    expected, (expected_second, expected_pullback) = (
        na.transmission(make(0.3), ENERGIES), na.transmission_vjp(make(0.4), ENERGIES)
    )  # fmt: skip
    gradient = expected_pullback(np.ones(3)).device.leads[0].onsite
    with lead_cache(1e6) as cache:
        first = na.transmission(make(0.3), ENERGIES)
        assert cache.hits == 0 and cache.misses > 0
        misses = cache.misses
        second, pullback = na.transmission_vjp(make(0.4), ENERGIES)
        bar = pullback(np.ones(3)).device.leads[0].onsite
        assert cache.misses == misses and cache.hits == misses
    assert np.array_equal(first, expected) and np.array_equal(second, expected_second)
    assert np.array_equal(bar, gradient)
    na.transmission(make(0.4), ENERGIES)
    assert cache.hits == misses  # outside the block it is not asked


def test_an_array_changed_in_place_is_another_lead() -> None:
    device = _device()
    with lead_cache() as cache:
        na.transmission(device, ENERGIES)
        device.leads[0].onsite[0, 0] += 0.25
        found = na.transmission(device, ENERGIES)
        assert cache.misses == 9  # both leads, then the one that changed
    # the other one was solved beside it the first time, alone now
    assert np.max(np.abs(found - na.transmission(device, ENERGIES))) <= 1e-11


def test_a_lead_at_another_bias_finds_the_energies_it_shares() -> None:
    energies = np.array([-0.5, 0.0, 0.5])
    with lead_cache() as cache:
        na.transmission(_device(), energies + 0.125)
        found = na.transmission(_device(shifts=(0.5, 0.5)), energies + 0.625)
        assert cache.hits == 6
    assert np.array_equal(found, na.transmission(_device(shifts=(0.5, 0.5)), energies + 0.625))


def test_methods_and_broadenings_do_not_share_entries() -> None:
    with lead_cache() as cache:
        for options in ({"eta": 1e-3}, {"eta": 1e-3, "lead_method": "modes"}, {"eta": 2e-3}, {}):
            na.transmission(_device(), ENERGIES, **options)
    assert cache.hits == 0


def test_the_least_recently_used_go_when_the_limit_is_passed() -> None:
    cache = LeadCache(1000.0)
    for key in "abc":
        cache.put(key, key.upper(), 0)  # 300 bytes each for the key and its place
    assert cache.get(["a"]) == ["A"]
    cache.put("d", "D", 0)
    assert cache.get(["b"]) is None and cache.get(["a", "c", "d"]) == ["A", "C", "D"]
    assert cache.n_bytes <= 1000 and len(cache) == 3
    cache.put("large", "LARGE", 2000)  # larger than the whole: not kept, and nothing goes for it
    assert cache.get(["large"]) is None and len(cache) == 3


def test_a_cache_too_small_for_the_leads_changes_no_result() -> None:
    with lead_cache(3000) as cache:
        found = [na.transmission(_device(), ENERGIES) for _ in range(2)]
        assert 0 < cache.n_bytes <= 3000
    assert all(np.array_equal(x, na.transmission(_device(), ENERGIES)) for x in found)


def test_a_cache_goes_on_in_a_later_block() -> None:
    with lead_cache() as cache:
        na.transmission(_device(), ENERGIES)
    with lead_cache(cache=cache) as again:
        na.transmission(_device(), ENERGIES)
    assert again is cache and cache.hits == 6
    cache.clear()
    assert len(cache) == 0 and cache.n_bytes == 0


@pytest.mark.parametrize(("limit", "error"), [(0, na.InputError), (-1.0, na.InputError), ("2e9", na.InputTypeError)])
def test_a_limit_that_is_no_number_of_bytes_is_refused(limit: object, error: type) -> None:
    with pytest.raises(error, match="max_bytes"):
        LeadCache(limit)
    with pytest.raises(na.InputTypeError, match="cache"), lead_cache(cache=7):
        pass


def test_an_equal_bulk_with_another_coupling_is_solved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    device = _device()
    right = device.leads[1]
    other = rebuild(right, coupling=0.7 * right.coupling)
    both = na.Device(device.hamiltonian, (device.leads[0], other))
    calls = _counted(monkeypatch)
    na.transmission(both, ENERGIES)
    assert calls == [3]
