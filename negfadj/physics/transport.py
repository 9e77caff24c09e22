"""Transmission between the leads of a device, its sensitivity and its energy derivatives, each with its pullback."""

from __future__ import annotations

from functools import partial

from ..array import array_namespace, move_out
from ..data import Device, Lead
from ..errors import InputError
from ..primitives import shot_noise as shot_noise_primitive
from ..primitives import transmission as transmission_primitive
from ..typing import Array, ArrayLike, Backend, LeadMethod
from .cores import derivatives_core, matrix_core, matrix_core_vjp, open_channels_of
from .evaluate import Pullback, evaluate, evaluate_vjp
from .request import make_request


def transmission(
    device: Device,
    energies: ArrayLike,
    *,
    source: int = 0,
    drain: int = 1,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> Array:
    """Transmission from lead `source` into lead `drain`.

        T(E) = tr[Γ_d G_ds Γ_s G_ds†]

    Parameters
    ----------
    device : Device
    energies : array or float, shape (n_energies,) or ()
        Real energies [eV].
    source, drain : int
        Indices of the leads the carriers come from and go to.
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
    array, shape (n_energies,), real, on the device of the inputs
        Between 0 and the number of open channels; per spin.

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
    Caroli et al., J. Phys. C 4, 916 (1971); Fisher and Lee, Phys. Rev. B 23, 6851 (1981).
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    source, drain = device.lead_pair(source, drain)
    return evaluate(request, partial(transmission_primitive.transmission, source=source, drain=drain))


def transmission_vjp(
    device: Device,
    energies: ArrayLike,
    *,
    source: int = 0,
    drain: int = 1,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> tuple[Array, Pullback]:
    """`transmission` and its pullback.

    Parameters, errors and sources as `transmission`.

    Returns
    -------
    value : array
        As `transmission`.
    pullback : callable
        ``pullback(value_bar, wrt="all")`` gives `TransportCotangent(device, energies)`: cotangents
        Z̄ = ∂L/∂Re Z + i ∂L/∂Im Z of every block of H, S and the leads, Hermitian data projected, and of the energies.
        ``wrt="onsite"`` forms only ``bar.device.hamiltonian.onsite``; ``wrt=(rows, columns)`` or a sparse matrix only
        ``bar.device.hamiltonian.values`` at those entries.

    Notes
    -----
    Ā_kl = −(X_l R_k)†, X = G E_s W, R = 2 T̄ x†Γ_d E_d† G, Γ_s = W W†; Γ̄_d = T̄ x x†, Γ̄_s W = T̄ (E_s†G†E_d) Γ_d x
    (docs/adjoints/transmission.md).
    Kept for the pullback: the left-connected factors, 16 Σ n_i² bytes an energy, and 128 n² for each lead. Nothing
    where that exceeds `memory_limit`, and each batch is then computed again when it is pulled back.
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    source, drain = device.lead_pair(source, drain)
    return evaluate_vjp(
        request,
        partial(transmission_primitive.transmission, source=source, drain=drain),
        partial(transmission_primitive.transmission_vjp, source=source, drain=drain),
    )


def shot_noise_factor(
    device: Device,
    energies: ArrayLike,
    *,
    source: int = 0,
    drain: int = 1,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> Array:
    """Partition noise Σ_n T_n(1 − T_n) over the transmission eigenvalues of lead `source` into lead `drain`.

        tr[M] − tr[M²],  M = Γ_d G_ds Γ_s G_ds†

    Parameters
    ----------
    device : Device
    energies : array or float, shape (n_energies,) or ()
        Real energies [eV].
    source, drain : int
        Indices of the leads the carriers come from and go to.
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
    array, shape (n_energies,), real, on the device of the inputs; per spin
        Divided by T it is the Fano factor.

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
    Büttiker, Phys. Rev. Lett. 65, 2901 (1990), Eq. (8).
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    source, drain = device.lead_pair(source, drain)
    return evaluate(
        request,
        partial(shot_noise_primitive.shot_noise, source=source, drain=drain),
        layers=4 * device.hamiltonian.n_blocks,
    )


def shot_noise_factor_vjp(
    device: Device,
    energies: ArrayLike,
    *,
    source: int = 0,
    drain: int = 1,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> tuple[Array, Pullback]:
    """`shot_noise_factor` and its pullback.

    Parameters, errors and sources as `shot_noise_factor`.

    Returns
    -------
    value : array
        As `shot_noise_factor`.
    pullback : callable
        ``pullback(value_bar, wrt="all")`` gives `TransportCotangent(device, energies)`: cotangents
        Z̄ = ∂L/∂Re Z + i ∂L/∂Im Z of every block of H, S and the leads, Hermitian data projected, and of the energies.
        ``wrt="onsite"`` forms only ``bar.device.hamiltonian.onsite``; ``wrt=(rows, columns)`` or a sparse matrix only
        ``bar.device.hamiltonian.values`` at those entries.

    Notes
    -----
    The pullback of the transmission with Γ_d replaced by Γ_d − 2 Γ_d G Γ_s G†Γ_d on the drain
    (docs/adjoints/transmission.md).
    Kept for the pullback: the left-connected factors, 16 Σ n_i² bytes an energy, and 128 n² for each lead; nothing
    where that exceeds `memory_limit`, and each batch is then computed again when it is pulled back.
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    source, drain = device.lead_pair(source, drain)
    return evaluate_vjp(
        request,
        partial(shot_noise_primitive.shot_noise, source=source, drain=drain),
        partial(shot_noise_primitive.shot_noise_vjp, source=source, drain=drain),
        layers=4 * device.hamiltonian.n_blocks,
    )


def transmission_matrix(
    device: Device,
    energies: ArrayLike,
    *,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> Array:
    """Transmissions between all leads, reflections on the diagonal.

        T_ij(E) = tr[Γ_i G_ij Γ_j G_ij†] from lead j into lead i
        T_jj = N_j − tr[Γ_j i(G − G†)_jj] + tr[Γ_j G_jj Γ_j G_jj†]

    Parameters, errors and sources as `transmission`; every lead must be a `Lead`, so that its open channels N_j can be
    counted.

    Returns
    -------
    array, shape (n_energies, n_leads, n_leads), real, per spin, on the device of the inputs
        At η = 0 column j sums to the number of open channels of lead j, and so does row j.
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    return evaluate(request, matrix_core(request.device), layers=4 * device.hamiltonian.n_blocks)


def transmission_matrix_vjp(
    device: Device,
    energies: ArrayLike,
    *,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> tuple[Array, Pullback]:
    """`transmission_matrix` and its pullback.

    Parameters and errors as `transmission_matrix`.

    Returns
    -------
    value, pullback
        As `transmission_vjp`, with a cotangent of shape (n_energies, n_leads, n_leads).

    Notes
    -----
    Ā_kl = −(X_l x̄†R_k)†, X and R the columns and rows of all leads (docs/adjoints/transmission.md).
    Kept for the pullback: the left-connected factors, 16 Σ n_i² bytes an energy, and 128 n² for each lead.
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    return evaluate_vjp(
        request, matrix_core(request.device), matrix_core_vjp(request.device), layers=4 * device.hamiltonian.n_blocks
    )


def open_channels(device: Device, energies: ArrayLike, *, lead: int = 0, backend: Backend = None) -> Array:
    """Number of open channels of a lead: Bloch modes that carry current into it.

    Parameters
    ----------
    device : Device
    energies : array or float [eV]
    lead : int
        Index of a `Lead` of the device.
    backend : None, "cpu" or "gpu"

    Returns
    -------
    array, shape (n_energies,), integer, on the device of the inputs

    Raises
    ------
    InputError
        When the lead is known by its self-energy only.
    """
    request = make_request(device, energies, 0.0, 0.0, "auto", backend, None)
    index = device.lead_index(lead)
    counts = open_channels_of(request.device.leads[index], request.energies, f"leads[{index}]")
    return move_out(array_namespace(counts).reshape(counts, request.shape), device, backend)


def transmission_sensitivity(
    device: Device,
    energies: ArrayLike,
    *,
    source: int = 0,
    drain: int = 1,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> Array:
    """dT(E)/dV_a for a potential energy V_a on every orbital: the scanning-gate map of the device.

        dT/dV_a = Re (X R)_aa,   X = G E_s 2Γ_s,   R = G_ds†Γ_d E_d† G

    All orbitals at the price of one backward sweep, energy by energy; `transmission_vjp` sums over energies instead.

    Parameters, errors and sources as `transmission`.

    Returns
    -------
    array, shape (n_energies, n_orbitals), real [1/eV], on the device of the inputs
        The derivative with respect to H_aa; with overlap, a potential also enters off-diagonal blocks.
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    source, drain = device.lead_pair(source, drain)
    return evaluate(
        request,
        partial(transmission_primitive.transmission_sensitivity, source=source, drain=drain),
        layers=2 * device.hamiltonian.n_blocks,
    )


def transmission_derivatives(
    device: Device,
    energies: ArrayLike,
    *,
    order: int = 3,
    source: int = 0,
    drain: int = 1,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> Array:
    """T and its energy derivatives, exactly, by truncated Taylor polynomials through leads and device.

        T(E + ε) = Σ_k T_k ε^k,   d^k T/dE^k = k! T_k

    Parameters
    ----------
    order : int
        Highest derivative, 0 or more.
    The others, errors and sources as `transmission`.

    Returns
    -------
    array, shape (n_energies, order + 1), real [1/eV^k], on the device of the inputs
        T, T', T'', …

    Raises
    ------
    InputError
        For a lead known by its self-energy only: its energy derivatives are not given.
    """
    if isinstance(order, bool) or not hasattr(order, "__index__") or order < 0:
        raise InputError(f"order={order!r} must be an integer, 0 or more.")
    for k, lead in enumerate(device.leads):
        if not isinstance(lead, Lead):
            raise InputError(
                f"leads[{k}] is a {type(lead).__name__}, whose energy derivatives are not known; give a Lead."
            )
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    source, drain = device.lead_pair(source, drain)
    core = partial(
        derivatives_core,
        device=request.device,
        source=source,
        drain=drain,
        order=int(order),
        eta=request.eta,
        method=request.method,
        at_real_energy=request.at_real_energy,
    )
    return evaluate(request, core, layers=8 * (int(order) + 1))
