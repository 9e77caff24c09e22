"""Solvers of finite-volume Poisson: agreement, determinism, honesty about the residual."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from backends import STRICT, Backend, gpu_fault, host

from negfadj.electrostatics.bodies import Conductor, Dielectric
from negfadj.electrostatics.conjugate_gradients import conjugate_gradients
from negfadj.electrostatics.finite_volume import FiniteVolumePoisson
from negfadj.electrostatics.grid import Grid
from negfadj.electrostatics.linear_solver import (
    DIRECT_LIMIT,
    ConjugateGradientSolver,
    DirectSolver,
    MultigridSolver,
    linear_solver,
)
from negfadj.electrostatics.padded_rows import padded_rows
from negfadj.electrostatics.regions import Box, CylindricalShell
from negfadj.errors import BackendError, ConvergenceError, InputError, MissingDependencyError

CHARGE = np.random.default_rng(2).normal(size=8)


def wrapped_tube(n: int = 15, **keywords: object) -> FiniteVolumePoisson:
    """Eight sites on a tube in an oxide of high permittivity with a gate around it, on a graded grid."""
    t = np.linspace(-1, 1, n)
    line = 8 * (0.3 * t + 0.7 * t**3)
    angles = np.arange(8) * np.pi / 4
    sites = np.stack((3 * np.cos(angles), 3 * np.sin(angles), np.arange(8) + 1.0), axis=-1)
    return FiniteVolumePoisson(
        Grid(line, line, np.linspace(0, 9, n)),
        sites,
        0.6,
        conductors=(
            Conductor("gate", CylindricalShell("z", (0, 0), 7.0, span=(2, 7)), 0.4),
            Conductor("source", Box(z=(-1, 0))),
        ),
        dielectrics=(Dielectric(CylindricalShell("z", (0, 0), 4.0, 7.0), 25.0),),
        largest_spacing=np.inf,  # graded: coarse at the tube
        **keywords,  # type: ignore[arg-type]
    )


def plate_matrix(n: int) -> sp.csr_array:
    """Second differences with both ends fixed."""
    return sp.csr_array(sp.diags_array([-np.ones(n - 1), 2 * np.ones(n), -np.ones(n - 1)], offsets=[-1, 0, 1]))


@pytest.mark.parametrize("solver", ["amg", "cg"])
def test_iterative_solvers_agree_with_the_direct_one(solver: str) -> None:
    direct, other = (wrapped_tube(solver=name).potential(CHARGE) for name in ("direct", solver))
    np.testing.assert_allclose(other, direct, atol=1e-9 * np.abs(direct).max())


@pytest.mark.parametrize("solver", ["direct", "amg", "cg"])
def test_solution_is_the_same_bit_for_bit_and_leaves_the_random_state_alone(solver: str) -> None:
    np.random.seed(1)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (wrapped_tube(solver=solver).potential(CHARGE) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_auto_takes_the_direct_solver_for_few_unknowns_only() -> None:
    few, many = plate_matrix(DIRECT_LIMIT), plate_matrix(DIRECT_LIMIT + 1)
    assert isinstance(linear_solver(few, "auto", None, 1e-12), DirectSolver)
    assert isinstance(linear_solver(many, "auto", None, 1e-12), MultigridSolver)
    assert isinstance(linear_solver(few, "auto", "gpu", 1e-12), ConjugateGradientSolver)


def test_multigrid_needs_few_steps() -> None:
    matrix = plate_matrix(4000)
    b = np.random.default_rng(0).normal(size=4000)
    x = MultigridSolver(matrix, 1e-12, max_iterations=15).solve(b)
    # κ = 6e6 leaves 16 ε κ of a residual that is all round-off
    np.testing.assert_allclose(x, DirectSolver(matrix, 1e-12).solve(b), rtol=1e-7)


def test_conjugate_gradients_raise_with_the_residual_when_steps_run_out() -> None:
    matrix, b = plate_matrix(300), np.ones(300)
    with pytest.raises(ConvergenceError, match=r"after 7 steps .* use solver=\"amg\"") as raised:
        ConjugateGradientSolver(matrix, 1e-12, max_iterations=7).solve(b)
    assert raised.value.residual > 1e-3


def test_conjugate_gradients_reach_the_true_residual() -> None:
    n = 200
    matrix = sp.csr_array(sp.diags_array(np.logspace(0, 6, n)) + plate_matrix(n))
    b = np.random.default_rng(0).normal(size=n)
    x = conjugate_gradients(matrix, b, lambda r: r, 1e-12, 100_000)
    assert np.linalg.norm(b - matrix @ x) <= 1e-12 * np.linalg.norm(b) + 64 * 2.2e-16 * 1e6 * np.linalg.norm(x)


def test_direct_solver_refuses_a_singular_matrix() -> None:
    matrix = plate_matrix(50).toarray()
    matrix[0, 0] = matrix[-1, -1] = 1.0  # no end fixed
    with pytest.raises(ConvergenceError, match=r"cannot be factorised .*singular"):
        DirectSolver(sp.csr_array(matrix), 1e-12).solve(np.ones(50))


def test_missing_pyamg_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyamg", None)
    with pytest.raises(MissingDependencyError, match=r"do without.* needs pyamg.*pip install"):
        wrapped_tube(9, solver="amg").potential(CHARGE)


def test_unknown_solvers_and_tolerances_are_refused() -> None:
    poisson = wrapped_tube(9)
    with pytest.raises(InputError, match=r"solver = 'lu' is not known; use one of 'auto'"):
        replace(poisson, solver="lu")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"backend = \"gpu\" has the solver \"cg\" only, not 'direct'"):
        replace(poisson, solver="direct", backend="gpu")
    with pytest.raises(InputError, match="backend = 'tpu' is not known"):
        replace(poisson, backend="tpu")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"tolerance = 0.0 must be between 0 and 1"):
        replace(poisson, tolerance=0.0)


@pytest.mark.skipif(gpu_fault() is None, reason="there is a GPU")
def test_backend_gpu_without_a_gpu_says_what_is_missing() -> None:
    with pytest.raises(BackendError, match='backend="gpu"'):
        wrapped_tube(9, solver="cg", backend="gpu").potential(CHARGE)


@pytest.fixture
def second_device(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A stand-in for a GPU, a device that NumPy cannot read, and the sizes of all that is moved there."""
    sizes: list[int] = []

    def moved(x: np.ndarray) -> Any:
        sizes.append(x.size)
        return STRICT.convert(x)

    monkeypatch.setattr("negfadj.electrostatics.linear_solver.gpu_namespace", lambda: SimpleNamespace(asarray=moved))
    return sizes


def test_device_solution_is_that_of_the_host(second_device: list[int]) -> None:
    here, there = wrapped_tube(9, solver="cg"), wrapped_tube(9, backend="gpu")
    (u, pullback), (v, pullback_there) = (p.potential_vjp(CHARGE) for p in (here, there))
    assert second_device and isinstance(v, np.ndarray)
    np.testing.assert_allclose(v, u, atol=1e-10 * np.abs(u).max())
    bar = np.linspace(-1, 1, 8)
    np.testing.assert_allclose(pullback_there(bar).charge, pullback(bar).charge, atol=1e-9 * np.abs(u).max())


def test_device_gets_its_matrix_once_and_every_right_hand_side(second_device: list[int]) -> None:
    poisson = wrapped_tube(9, backend="gpu")
    poisson.potential(CHARGE)
    n = len(poisson._system.unknown)
    assert second_device == [7 * n, 7 * n, n, n]  # entries, columns, diagonal, b
    poisson.response(CHARGE)
    poisson.with_voltages({"gate": 0.1}).potential(CHARGE)
    assert second_device[4:] == [n, n]


def test_conjugate_gradients_and_padded_rows_run_on_every_array_library(backend: Backend) -> None:
    rng = np.random.default_rng(4)
    matrix = sp.csr_array(plate_matrix(60) + sp.diags_array(rng.uniform(size=60)))
    b = rng.normal(size=60)
    padded = padded_rows(matrix, backend.convert)
    diagonal = padded.diagonal()
    x = conjugate_gradients(padded, backend(b), lambda r: r / diagonal, 1e-13, 200)
    assert type(x) is type(backend(b))
    np.testing.assert_allclose(host(x), np.linalg.solve(matrix.toarray(), b), rtol=1e-10)


@pytest.mark.parametrize("make", [lambda n: plate_matrix(n), lambda n: sp.csr_array(np.diag(np.arange(n) % 3.0))])
def test_padded_rows_multiply_as_the_matrix_does(make: Callable[[int], sp.csr_array]) -> None:
    x = np.random.default_rng(1).normal(size=7)  # the second matrix has empty rows
    padded = padded_rows(make(7), np.asarray)
    np.testing.assert_allclose(padded @ x, make(7) @ x, rtol=1e-15)
    np.testing.assert_array_equal(padded.diagonal(), make(7).diagonal())


@pytest.mark.gpu
def test_conjugate_gradients_on_a_gpu_agree_with_the_host() -> None:
    here, there = (wrapped_tube(solver="cg", backend=backend).potential(CHARGE) for backend in ("cpu", "gpu"))
    np.testing.assert_allclose(there, here, atol=1e-10 * np.abs(here).max())


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["amg", "cg"])
def test_hundred_thousand_nodes_agree_with_the_direct_solver_on_their_residual(solver: str) -> None:
    poisson = wrapped_tube(47, solver=solver)
    u = poisson.node_potential(CHARGE).ravel()
    system = poisson._system
    source = poisson._source(CHARGE)
    residual = (source - system.laplacian @ u)[system.unknown]
    assert np.linalg.norm(residual) < 1e-10 * np.linalg.norm(source)
