"""Densities of states and the density injected by a lead, each with its pullback."""

from __future__ import annotations

from functools import partial

from ..data import Device
from ..data.bonds import bonds
from ..primitives import bond_current as bond_primitive
from ..primitives import density_of_states as density_primitive
from ..primitives import lead_density as lead_density_primitive
from ..typing import Array, ArrayLike, Backend, LeadMethod
from .evaluate import Pullback, evaluate, evaluate_vjp
from .request import make_request


def density_of_states(
    device: Device,
    energies: ArrayLike,
    *,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> Array:
    """Density of states of the device.

        D(E) = −Im tr(G S)/π,  the off-diagonal blocks of G S included

    Parameters
    ----------
    device : Device
    energies : array or float, shape (n_energies,) or ()
        Real energies [eV].
    eta : float
        Broadening of the leads [eV]: z = E + iη in surface function and coupling. 0 takes the modes' exact limit.
    device_eta : float
        Broadening of the device's own Green's function [eV].
    lead_method : "auto", "decimation" or "modes"
        "auto" takes modes below η = 1e-9 eV and decimation above.
    backend : None, "cpu" or "gpu"
        None computes where the arrays are.
    memory_limit : float, optional
        Bytes one batch of energies may take; default 40 % of what is free.

    Returns
    -------
    array, shape (n_energies,), real [1/eV], per spin, on the device of the inputs

    Raises
    ------
    InputError, InputTypeError, ShapeError
        For an argument that has no meaning, with its value.
    ConvergenceError
        Naming the energies where a lead's surface function or the device's inverse fails.
    BackendError
        When backend="gpu" finds no GPU.

    Sources
    -------
    Datta, Electronic Transport in Mesoscopic Systems (1995), Eq. (3.5.8); docs/adjoints/density-of-states.md.
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    return evaluate(request, density_primitive.density_of_states, layers=4 * device.hamiltonian.n_blocks)


def density_of_states_vjp(
    device: Device,
    energies: ArrayLike,
    *,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> tuple[Array, Pullback]:
    """`density_of_states` and its pullback.

    Parameters, errors and sources as `density_of_states`.

    Returns
    -------
    value : array
        As `density_of_states`.
    pullback : callable
        ``pullback(value_bar, wrt="all")`` gives `TransportCotangent(device, energies)`: cotangents
        Z̄ = ∂L/∂Re Z + i ∂L/∂Im Z of every block of H, S and the leads, Hermitian data projected, and of the energies.
        ``wrt="onsite"`` forms only ``bar.device.hamiltonian.onsite``; ``wrt=(rows, columns)`` or a sparse matrix only
        ``bar.device.hamiltonian.values`` at those entries.

    Notes
    -----
    Ḡ = −i D̄ S/π, Ā = −G†Ḡ G† by a selected congruence (docs/adjoints/density-of-states.md).
    Kept for the pullback: the left-connected factors, 16 Σ n_i² bytes an energy, and 128 n² for each lead; nothing
    where that exceeds `memory_limit`, and each batch is then computed again when it is pulled back.
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    return evaluate_vjp(
        request,
        density_primitive.density_of_states,
        density_primitive.density_of_states_vjp,
        layers=4 * device.hamiltonian.n_blocks,
    )


def local_density_of_states(
    device: Device,
    energies: ArrayLike,
    *,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> Array:
    """Local density of states: Mulliken's share of every orbital in the density of states.

        D_a(E) = −Im [(G S)_aa + (S G)_aa]/2π;  Σ_a D_a = −Im tr(G S)/π

    Parameters
    ----------
    device : Device
    energies : array or float, shape (n_energies,) or ()
        Real energies [eV].
    eta : float
        Broadening of the leads [eV]: z = E + iη in surface function and coupling. 0 takes the modes' exact limit.
    device_eta : float
        Broadening of the device's own Green's function [eV].
    lead_method : "auto", "decimation" or "modes"
        "auto" takes modes below η = 1e-9 eV and decimation above.
    backend : None, "cpu" or "gpu"
        None computes where the arrays are.
    memory_limit : float, optional
        Bytes one batch of energies may take; default 40 % of what is free.

    Returns
    -------
    array, shape (n_energies, n_orbitals), real [1/eV], per spin, on the device of the inputs
        −Im G_aa/π in an orthogonal basis.

    Raises
    ------
    InputError, InputTypeError, ShapeError
        For an argument that has no meaning, with its value.
    ConvergenceError
        Naming the energies where a lead's surface function or the device's inverse fails.
    BackendError
        When backend="gpu" finds no GPU.

    Sources
    -------
    Datta (1995), Eq. (3.5.8); Mulliken, J. Chem. Phys. 23, 1833 (1955); docs/adjoints/density-of-states.md.
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    return evaluate(request, density_primitive.local_density_of_states, layers=4 * device.hamiltonian.n_blocks)


def local_density_of_states_vjp(
    device: Device,
    energies: ArrayLike,
    *,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> tuple[Array, Pullback]:
    """`local_density_of_states` and its pullback.

    Parameters, errors and sources as `local_density_of_states`.

    Returns
    -------
    value : array
        As `local_density_of_states`.
    pullback : callable
        ``pullback(value_bar, wrt="all")`` gives `TransportCotangent(device, energies)`: cotangents
        Z̄ = ∂L/∂Re Z + i ∂L/∂Im Z of every block of H, S and the leads, Hermitian data projected, and of the energies.
        ``wrt="onsite"`` forms only ``bar.device.hamiltonian.onsite``; ``wrt=(rows, columns)`` or a sparse matrix only
        ``bar.device.hamiltonian.values`` at those entries.

    Notes
    -----
    Ḡ = −i (diag(D̄) S + S diag(D̄))/2π, Ā = −G†Ḡ G† by a selected congruence (docs/adjoints/density-of-states.md).
    Kept for the pullback: the left-connected factors, 16 Σ n_i² bytes an energy, and 128 n² for each lead; nothing
    where that exceeds `memory_limit`, and each batch is then computed again when it is pulled back.
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    return evaluate_vjp(
        request,
        density_primitive.local_density_of_states,
        density_primitive.local_density_of_states_vjp,
        layers=4 * device.hamiltonian.n_blocks,
    )


def lead_density(
    device: Device,
    energies: ArrayLike,
    *,
    source: int = 0,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> Array:
    """Density injected by one lead.

        D_a(E) = diag(G Γ_s G†)_a/2π

    Parameters
    ----------
    device : Device
    energies : array or float, shape (n_energies,) or ()
        Real energies [eV].
    source : int
        Index of the lead the carriers come from.
    eta : float
        Broadening of the leads [eV]: z = E + iη in surface function and coupling. 0 takes the modes' exact limit.
    device_eta : float
        Broadening of the device's own Green's function [eV].
    lead_method : "auto", "decimation" or "modes"
        "auto" takes modes below η = 1e-9 eV and decimation above.
    backend : None, "cpu" or "gpu"
        None computes where the arrays are.
    memory_limit : float, optional
        Bytes one batch of energies may take; default 40 % of what is free.

    Returns
    -------
    array, shape (n_energies, n_orbitals), real [1/eV], per spin, on the device of the inputs
        In an orthogonal basis without `device_eta` the sum over all leads is the local density of states.

    Raises
    ------
    InputError, InputTypeError, ShapeError
        For an argument that has no meaning, with its value.
    ConvergenceError
        Naming the energies where a lead's surface function or the device's inverse fails.
    BackendError
        When backend="gpu" finds no GPU.

    Sources
    -------
    Datta (1995), Eq. (3.7.1).
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    source = device.lead_index(source, "source")
    return evaluate(
        request, partial(lead_density_primitive.lead_density, source=source), layers=4 * device.hamiltonian.n_blocks
    )


def lead_density_vjp(
    device: Device,
    energies: ArrayLike,
    *,
    source: int = 0,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> tuple[Array, Pullback]:
    """`lead_density` and its pullback.

    Parameters, errors and sources as `lead_density`.

    Returns
    -------
    value : array
        As `lead_density`.
    pullback : callable
        ``pullback(value_bar, wrt="all")`` gives `TransportCotangent(device, energies)`: cotangents
        Z̄ = ∂L/∂Re Z + i ∂L/∂Im Z of every block of H, S and the leads, Hermitian data projected, and of the energies.
        ``wrt="onsite"`` forms only ``bar.device.hamiltonian.onsite``; ``wrt=(rows, columns)`` or a sparse matrix only
        ``bar.device.hamiltonian.values`` at those entries.

    Notes
    -----
    Ā_kl = −(2 X_l Γ_s R_k)†, R = (𝒜X)†G with 𝒜 = diag(D̄)/2π; Γ̄_s = X†𝒜X (docs/adjoints/scattering-states.md).
    Kept for the pullback: the left-connected factors, 16 Σ n_i² bytes an energy, and 128 n² for each lead; nothing
    where that exceeds `memory_limit`, and each batch is then computed again when it is pulled back.
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    source = device.lead_index(source, "source")
    return evaluate_vjp(
        request,
        partial(lead_density_primitive.lead_density, source=source),
        partial(lead_density_primitive.lead_density_vjp, source=source),
        layers=4 * device.hamiltonian.n_blocks,
    )


def bond_current(
    device: Device,
    energies: ArrayLike,
    *,
    source: int = 0,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> Array:
    """Energy-resolved current through every bond of the device, injected by one lead.

        I_ab(E) = 2 Im[(H − E S)_ab A_ba],  A = G Γ_s G†;  positive from b to a

    Parameters
    ----------
    source : int
        Index of the lead the carriers come from.
    The others, errors and sources as `transmission`.

    Returns
    -------
    array, shape (n_energies, n_bonds), real, per spin, on the device of the inputs
        In the order of ``device.bonds``, pairs (a, b) with a < b. Counted in the direction away from the source, the
        bonds across any cut sum to T: with the source at the low end that is minus the sum over the pairs.

    Sources
    -------
    Todorov, J. Phys.: Condens. Matter 14, 3049 (2002), Eq. (15).
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    source = device.lead_index(source, "source")
    order = bonds(request.device.hamiltonian, request.device.overlap)[1]
    return evaluate(
        request,
        partial(bond_primitive.bond_current, source=source, order=order),
        layers=4 * device.hamiltonian.n_blocks,
    )


def bond_current_vjp(
    device: Device,
    energies: ArrayLike,
    *,
    source: int = 0,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> tuple[Array, Pullback]:
    """`bond_current` and its pullback.

    Parameters and errors as `bond_current`.

    Returns
    -------
    value, pullback
        As `transmission_vjp`, with a cotangent of shape (n_energies, n_bonds).

    Notes
    -----
    𝒜_ab = −i K_ab Ī_ab pulled back through the scattering states; K̄_ab = 2i A_ab Ī_ab (docs/adjoints/bond-current.md).
    Kept for the pullback: the left-connected factors, 16 Σ n_i² bytes an energy, the scattering states, 16 m Σ n_i,
    and 128 n² for each lead.
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    source = device.lead_index(source, "source")
    order = bonds(request.device.hamiltonian, request.device.overlap)[1]
    return evaluate_vjp(
        request,
        partial(bond_primitive.bond_current, source=source, order=order),
        partial(bond_primitive.bond_current_vjp, source=source, order=order),
        layers=4 * device.hamiltonian.n_blocks,
    )
