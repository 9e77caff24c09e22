"""Spreads by adjoints: exact on quadratic functions, brute-force sums, and Monte Carlo within its own error."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from biased_devices import chain

import negfadj as na
from negfadj.objectives.covariance import Covariance, correlated, covariance_of, independent
from negfadj.objectives.curvature_traces import curvature_traces
from negfadj.objectives.hessian_differences import hessian_by_differences
from negfadj.objectives.impedance_field import first_order_deviation, variance_shares
from negfadj.objectives.moments import variability
from negfadj.objectives.monte_carlo import Sample, monte_carlo

RNG = np.random.default_rng(3)
N = 6
HESSIAN = RNG.normal(size=(N, N))
HESSIAN = HESSIAN + HESSIAN.T
GRADIENT = RNG.normal(size=N)
CENTRE = RNG.normal(size=N)
ROOT = RNG.normal(size=(N, N))
MATRIX = 0.01 * ROOT @ ROOT.T
ENERGIES = [0.35, 0.6]


def quadratic(x: np.ndarray) -> tuple[float, np.ndarray]:
    """f = 2 + gᵀδ + ½ δᵀHδ and its gradient."""
    d = x - CENTRE
    return 2.0 + GRADIENT @ d + 0.5 * d @ HESSIAN @ d, GRADIENT + HESSIAN @ d


def product(x: np.ndarray, v: np.ndarray) -> np.ndarray:
    return HESSIAN @ v


def mean_transmission(x: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean T of a chain with on-site energies x, and its gradient."""
    value, pullback = na.transmission_vjp(chain(len(x), x), ENERGIES)
    return float(value.mean()), pullback(np.full(len(ENERGIES), 0.5), wrt="onsite").device.hamiltonian.onsite


def test_second_order_moments_are_exact_for_a_quadratic_function() -> None:
    covariance = covariance_of(MATRIX)
    found = variability(quadratic, CENTRE, covariance, hessian_vector_product=product)
    # the moments by brute force: Gauss–Hermite quadrature over all six variables, exact to degree 5 in each
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    z = np.stack(np.meshgrid(*[nodes] * N, indexing="ij"), axis=-1).reshape(-1, N)
    w = np.prod(np.stack(np.meshgrid(*[weights / weights.sum()] * N, indexing="ij"), axis=-1).reshape(-1, N), axis=1)
    d = z @ np.linalg.cholesky(MATRIX).T
    f = 2.0 + d @ GRADIENT + 0.5 * np.einsum("ki,ij,kj->k", d, HESSIAN, d)
    mean = w @ f
    assert np.isclose(found.second_order.mean, mean, rtol=1e-12)
    assert np.isclose(found.second_order.standard_deviation, np.sqrt(w @ (f - mean) ** 2), rtol=1e-12)
    assert found.second_order.n_products == N and found.second_order.mean_error == 0
    assert found.first_order.mean == found.value == 2.0 and found.first_order.n_gradients == 1


THIRD = RNG.normal(size=(N, N, N))
CUBIC = sum(np.transpose(THIRD, p) for p in itertools.permutations(range(3)))


def cubic(x: np.ndarray) -> tuple[float, np.ndarray]:
    value, gradient = quadratic(x)
    d = x - CENTRE
    of_two = np.einsum("ijk,j,k->i", CUBIC, d, d)
    return value + of_two @ d / 6, gradient + of_two / 2


def cubic_product(x: np.ndarray, v: np.ndarray) -> np.ndarray:
    return HESSIAN @ v + np.einsum("ijk,j,k->i", CUBIC, x - CENTRE, v)


def test_third_order_variance_is_exact_to_the_second_power_of_the_covariance() -> None:
    covariance = covariance_of(1e-4 * MATRIX)
    found = variability(cubic, CENTRE, covariance, hessian_vector_product=cubic_product, with_third_order=True)
    c = covariance.matrix()
    hc = HESSIAN @ c
    variance = GRADIENT @ c @ GRADIENT + np.trace(hc @ hc) / 2 + np.einsum("i,ijk,jk->", c @ GRADIENT, CUBIC, c)
    assert np.isclose(found.third_order.standard_deviation**2, variance, rtol=1e-10)
    assert found.third_order.mean == found.second_order.mean and found.third_order.n_products == 3 * N
    # what is left over is the fourth power: by quadrature, exact for the square of a cubic
    nodes, weights = np.polynomial.hermite_e.hermegauss(4)
    z = np.stack(np.meshgrid(*[nodes] * N, indexing="ij"), axis=-1).reshape(-1, N)
    w = np.prod(np.stack(np.meshgrid(*[weights / weights.sum()] * N, indexing="ij"), axis=-1).reshape(-1, N), axis=1)
    d = z @ covariance.root.T
    values = 2.0 + d @ GRADIENT + 0.5 * np.einsum("ki,ij,kj->k", d, HESSIAN, d)
    values = values + np.einsum("ijk,ai,aj,ak->a", CUBIC, d, d, d, optimize=True) / 6
    exact = w @ (values - w @ values) ** 2
    second = found.second_order.standard_deviation**2
    assert abs(variance - exact) < 1e-3 * abs(second - exact) and abs(second - exact) > 1e-7 * exact


def test_orders_estimated_from_random_signs_scatter_as_their_errors_say() -> None:
    covariance = covariance_of(0.1 * MATRIX)
    given = {"hessian_vector_product": cubic_product, "with_third_order": True}
    exact = variability(cubic, CENTRE, covariance, **given)
    drawn = [variability(cubic, CENTRE, covariance, n_probes=5, seed=2 * s, **given) for s in range(300)]
    assert drawn[0].third_order.n_products == 15 and exact.third_order.standard_deviation_error == 0
    for order in ("second_order", "third_order"):
        found = np.array([getattr(one, order).standard_deviation for one in drawn])
        errors = np.array([getattr(one, order).standard_deviation_error for one in drawn])
        unbiased = getattr(exact, order).standard_deviation ** 2
        assert abs(np.mean(found**2) - unbiased) < 4 * np.std(found**2) / np.sqrt(300)
        assert np.isclose(np.sqrt(np.mean(errors**2)), np.std(found), rtol=0.15)
    means = np.array([[one.second_order.mean, one.second_order.mean_error] for one in drawn])
    assert np.isclose(np.sqrt(np.mean(means[:, 1] ** 2)), np.std(means[:, 0]), rtol=0.15)


def test_third_order_says_where_the_expansion_ends() -> None:
    def falling(x: np.ndarray) -> tuple[float, np.ndarray]:
        return float(x[0] - x[0] ** 3), 1 - 3 * x**2

    with pytest.raises(na.ConvergenceError, match="the variance to third order is -5"):
        variability(
            falling,
            np.zeros(1),
            independent([1.0]),
            hessian_vector_product=lambda x, v: -6 * x * v,
            with_third_order=True,
        )
    with pytest.raises(na.InputError, match="with_third_order needs"):
        variability(falling, np.zeros(1), independent([1.0]), with_third_order=True)


def test_first_order_is_the_sum_over_pairs_of_parameters() -> None:
    rng = np.random.default_rng(21)
    covariance = covariance_of(MATRIX)
    rows = rng.normal(size=(2, 3, N))
    brute = [[sum(g[i] * MATRIX[i, j] * g[j] for i in range(N) for j in range(N)) for g in row] for row in rows]
    np.testing.assert_allclose(first_order_deviation(rows, covariance), np.sqrt(brute), rtol=1e-12)
    shares = variance_shares(GRADIENT, covariance)
    np.testing.assert_allclose(shares, GRADIENT * (MATRIX @ GRADIENT) / (GRADIENT @ MATRIX @ GRADIENT), rtol=1e-11)
    assert np.isclose(shares.sum(), 1.0)


def test_monte_carlo_agrees_with_the_exact_moments_within_its_error() -> None:
    covariance = covariance_of(MATRIX)
    found = variability(quadratic, CENTRE, covariance, hessian_vector_product=product, n_samples=4000, seed=11)
    exact, drawn = found.second_order, found.monte_carlo
    assert 0 < drawn.mean_error < 0.02 * exact.standard_deviation
    assert abs(drawn.mean - exact.mean) < 3 * drawn.mean_error
    assert abs(drawn.standard_deviation - exact.standard_deviation) < 3 * drawn.standard_deviation_error
    difference = abs(drawn.standard_deviation - found.first_order.standard_deviation)
    assert difference > 5 * drawn.standard_deviation_error  # the first order is told apart


def test_standard_error_of_a_spread_is_the_scatter_of_many_samples() -> None:
    values = np.random.default_rng(5).exponential(size=(2000, 400))  # far from normal
    samples = [Sample(row) for row in values]
    scatter = np.std([s.standard_deviation for s in samples])
    assert np.isclose(np.mean([s.standard_deviation_error for s in samples]), scatter, rtol=0.08)


def test_random_signs_estimate_the_traces_within_their_error() -> None:
    rng = np.random.default_rng(22)
    n = 60
    h = rng.normal(size=(n, n))
    h, covariance = h + h.T, independent(rng.uniform(0.1, 1.0, n))
    hc = h @ covariance.matrix()
    found = curvature_traces(lambda x, v: h @ v, np.zeros(n), covariance, n_probes=40, seed=2)
    assert found.products == 40 and found.first_error > 0
    assert abs(found.first - np.trace(hc)) < 3 * found.first_error
    assert abs(found.second - np.trace(hc @ hc)) < 3 * found.second_error
    exact = curvature_traces(lambda x, v: h @ v, np.zeros(n), covariance, n_probes=n)
    assert exact.products == n and exact.first_error == exact.second_error == 0
    np.testing.assert_allclose([exact.first, exact.second], [np.trace(hc), np.trace(hc @ hc)], rtol=1e-12)


def test_standard_errors_of_random_signs_are_their_scatter() -> None:
    covariance = covariance_of(MATRIX)
    found = [curvature_traces(product, CENTRE, covariance, n_probes=5, seed=s) for s in range(300)]
    for name in ("first", "second"):
        scatter = np.std([getattr(one, name) for one in found])
        error = np.sqrt(np.mean([getattr(one, f"{name}_error") ** 2 for one in found]))
        assert np.isclose(error, scatter, rtol=0.15)


def test_hessian_by_differences_is_exact_for_a_cubic_gradient() -> None:
    rng = np.random.default_rng(23)
    cube = rng.normal(size=N)

    def quintic(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = quadratic(x)
        return value + cube @ x**4, gradient + 4 * cube * x**3

    v = rng.normal(size=N)
    found = hessian_by_differences(quintic, step=0.3)(CENTRE, v)
    np.testing.assert_allclose(found, HESSIAN @ v + 12 * cube * CENTRE**2 * v, rtol=1e-10)


def test_spread_of_a_transmission_agrees_with_monte_carlo() -> None:
    x, covariance = np.full(5, 0.1), independent(np.linspace(0.05, 0.15, 5))
    found = variability(
        mean_transmission,
        x,
        covariance,
        hessian_vector_product=hessian_by_differences(mean_transmission),
        value=lambda there: na.transmission(chain(len(there), there), ENERGIES).mean(),
        n_samples=300,
        seed=1,
    )
    drawn, second = found.monte_carlo, found.second_order
    assert (drawn.n_values, drawn.n_gradients, second.n_products) == (300, 0, 5)
    assert abs(drawn.mean - found.first_order.mean) > 5 * drawn.mean_error  # disorder lowers the mean
    assert abs(drawn.mean - second.mean) < 3 * drawn.mean_error
    # the first order misses the curvature, which is half of this spread
    assert abs(drawn.standard_deviation - second.standard_deviation) < 0.5 * abs(
        drawn.standard_deviation - found.first_order.standard_deviation
    )


def test_spread_at_every_energy_is_that_of_the_sensitivity() -> None:
    onsite, covariance = np.array([0.1, -0.2, 0.3]), independent([1e-4, 2e-4, 3e-4])
    deviations = first_order_deviation(na.transmission_sensitivity(chain(3, onsite), ENERGIES), covariance)
    drawn = np.array(
        [
            na.transmission(chain(3, onsite + covariance.spread(z)), ENERGIES)
            for z in np.random.default_rng(0).normal(size=(150, 3))
        ]
    )
    for k in range(len(ENERGIES)):
        sample = Sample(drawn[:, k])
        assert abs(sample.standard_deviation - deviations[k]) < 3 * sample.standard_deviation_error


def test_covariance_of_a_matrix_gives_it_back() -> None:
    rng = np.random.default_rng(24)
    low_rank = rng.normal(size=(N, 2))
    found = covariance_of(low_rank @ low_rank.T)
    assert found.rank == 2 and found.size == N
    np.testing.assert_allclose(found.matrix(), low_rank @ low_rank.T, atol=1e-13)
    np.testing.assert_allclose(found.standard_deviations**2, np.diag(low_rank @ low_rank.T), rtol=1e-12)
    assert covariance_of(np.zeros((3, 3))).rank == 1 and covariance_of(np.diag([1, 1e-3]), smallest=0.01).rank == 1
    v, z = rng.normal(size=(4, N)), rng.normal(size=(4, 2))
    np.testing.assert_allclose((found.gather(v) * z).sum(axis=1), (v * found.spread(z)).sum(axis=1), rtol=1e-11)


def test_correlated_shifts_fall_off_with_the_distance() -> None:
    places = np.array([[0.0, 0.0], [3.0, 4.0], [30.0, 0.0]])
    found = correlated(places, 0.2, 5.0).matrix()
    np.testing.assert_allclose(np.diag(found), 0.04)
    assert np.isclose(found[0, 1], 0.04 * np.exp(-0.5)) and np.isclose(found[0, 2], 0.04 * np.exp(-18), rtol=1e-6)


def test_samples_have_the_covariance_asked_for() -> None:
    covariance, drawn = covariance_of(MATRIX), []
    monte_carlo(lambda x: drawn.append(x) or 0.0, CENTRE, covariance, n_samples=4000, seed=0)
    bound = 5 * np.sqrt(2 * np.outer(np.diag(MATRIX), np.diag(MATRIX)) / 4000)
    assert np.all(np.abs(np.cov(np.array(drawn).T) - MATRIX) < bound)
    assert np.all(np.abs(np.mean(drawn, axis=0) - CENTRE) < 5 * np.sqrt(np.diag(MATRIX) / 4000))


def test_table_lists_every_method_with_its_cost() -> None:
    found = variability(quadratic, CENTRE, covariance_of(MATRIX), hessian_vector_product=product, n_samples=50)
    header, *lines = found.table().splitlines()
    assert [line[:14].strip() for line in lines] == ["first order", "second order", "Monte Carlo"]
    assert header.split()[-2:] == ["time", "ratio"] and lines[2].split()[-3] == "50"
    assert len(found.rows) == 3 and len(variability(quadratic, CENTRE, covariance_of(MATRIX)).rows) == 1


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1.0, 0.2], [0.1, 1.0]], r"not symmetric: \[0, 1\] = 0.2 but \[1, 0\] = 0.1"),
        ([[1.0, 2.0], [2.0, 1.0]], "negative eigenvalue -1 beside a largest of 3"),
        ([[1.0, np.nan], [np.nan, 1.0]], "must be finite"),
        ([[1.0, 0.0]], r"shape \(1, 2\) but must be \(n, n\)"),
    ],
)
def test_covariance_refuses_what_nothing_varies_like(matrix: list, message: str) -> None:
    with pytest.raises(na.InputError, match=message):
        covariance_of(matrix)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: independent([0.1, -0.2]), r"standard_deviations\[1\] = -0.2 is negative"),
        (lambda: independent([[0.1]]), r"shape \(1, 1\) but must be \(n,\)"),
        (lambda: Covariance(np.zeros((2, 2, 2))), "must be"),
        (lambda: covariance_of(np.eye(2), smallest=1.0), "smallest=1.0 must be a share"),
        (lambda: correlated(np.zeros((2, 3)), 0.1, 0.0), "length=0 Å positive"),
        (lambda: variability(quadratic, np.zeros(3), independent(np.ones(N))), r"x has shape \(3,\)"),
        (lambda: variability(quadratic, CENTRE, np.eye(N)), "covariance is a ndarray"),
        (lambda: variability(lambda x: (np.nan, x), CENTRE, independent(np.ones(N))), "the value"),
        (lambda: variability(lambda x: (1.0, x[:2]), CENTRE, independent(np.ones(N))), r"\(2,\) but must give"),
        (lambda: variability(quadratic, CENTRE, independent(np.ones(N)), n_samples=-1), "n_samples=-1"),
        (lambda: monte_carlo(lambda x: 1.0, CENTRE, independent(np.ones(N)), n_samples=1), "must be 2 or more"),
        (lambda: curvature_traces(product, CENTRE, independent(np.ones(N)), n_probes=1), "n_probes=1 must be"),
        (lambda: monte_carlo(lambda x: 1.0, CENTRE, independent(np.ones(N)), seed=-1), "seed=-1 must be an integer"),
        (lambda: curvature_traces(product, CENTRE, independent(np.ones(N)), n_probes=2, seed=-1), "seed=-1 must be"),
        (lambda: curvature_traces(lambda x, v: v[:1], CENTRE, independent(np.ones(N))), r"shape \(1,\) but must"),
        (lambda: first_order_deviation(np.ones(3), independent(np.ones(N))), "that of 6 parameters"),
        (lambda: hessian_by_differences(quadratic, step=0.0), "step=0.0 must be positive"),
    ],
)
def test_bad_input_is_named(call, message: str) -> None:
    with pytest.raises(na.InputError, match=message):
        call()


def test_a_sample_that_fails_is_numbered() -> None:
    def fails(x: np.ndarray) -> float:
        return np.nan if len(seen) == 3 else float(not seen.append(0))

    seen: list[int] = []
    with pytest.raises(na.InputError, match="the value") as caught:
        monte_carlo(fails, CENTRE, independent(np.ones(N)), n_samples=10, seed=4)
    assert caught.value.__notes__ == ["in sample 3 of the Monte Carlo with seed=4"]


def test_a_sample_that_raises_any_error_says_its_number() -> None:
    def fails(x: np.ndarray) -> float:
        raise ZeroDivisionError("of the user")

    with pytest.raises(ZeroDivisionError) as caught:
        monte_carlo(fails, CENTRE, independent(np.ones(N)), n_samples=10, seed=4)
    assert caught.value.__notes__ == ["in sample 0 of the Monte Carlo with seed=4"]
