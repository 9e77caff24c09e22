"""A device: a block-tridiagonal Hamiltonian, its overlap, and the leads attached to its blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..array import brief_repr, leaves, rebuild
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array
from .block_tridiagonal import BlockTridiagonal
from .bonds import bonds
from .checks import check_positive_definite, common_namespace
from .lead import Lead, SelfEnergy


@dataclass(frozen=True, eq=False)
class Device:
    """The open system: Hamiltonian [eV], overlap, and any number of leads on any of its blocks.

    Parameters
    ----------
    hamiltonian : BlockTridiagonal
    leads : sequence of Lead or SelfEnergy
        At least one; several may touch one block. Their order numbers them: `source=0`, `drain=1`.
    overlap : BlockTridiagonal, optional
        S in the same blocks; None is an orthogonal basis.

    Raises
    ------
    ShapeError, InputError, InputTypeError
        Naming the lead or the block.
    """

    hamiltonian: BlockTridiagonal
    leads: tuple[Any, ...]
    overlap: BlockTridiagonal | None = None

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        if not isinstance(self.hamiltonian, BlockTridiagonal):
            raise InputTypeError(
                f"hamiltonian is a {type(self.hamiltonian).__name__}; make a BlockTridiagonal of it: "
                "BlockTridiagonal(diagonal, upper), .from_dense(matrix, block_sizes) or .from_sparse(…)."
            )
        given: Any = self.leads
        leads = (given,) if isinstance(given, Lead | SelfEnergy) else tuple(given)
        if not leads:
            raise InputError("a device needs at least one lead.")
        for k, lead in enumerate(leads):
            if not isinstance(lead, Lead | SelfEnergy):
                raise InputTypeError(f"leads[{k}] is a {type(lead).__name__}; pass Lead or SelfEnergy objects.")
        if self.overlap is not None:
            if not isinstance(self.overlap, BlockTridiagonal):
                raise InputTypeError(f"overlap is a {type(self.overlap).__name__}; make a BlockTridiagonal of it.")
            if self.overlap.block_sizes != self.hamiltonian.block_sizes:
                raise ShapeError(
                    f"overlap has block sizes {self.overlap.block_sizes} but the hamiltonian has "
                    f"{self.hamiltonian.block_sizes}; cut both the same way."
                )
            for i, block in enumerate(self.overlap.diagonal if self.overlap.is_hermitian else ()):
                check_positive_definite(block, f"overlap.diagonal[{i}]")
        sizes = self.hamiltonian.block_sizes
        placed = []
        for k, lead in enumerate(leads):
            if not -len(sizes) <= lead.block < len(sizes):
                raise InputError(
                    f"leads[{k}].block = {lead.block} but the device has blocks 0 … {len(sizes) - 1} "
                    f"(or −1 … −{len(sizes)} from the end)."
                )
            block = lead.block % len(sizes)
            if lead.coupled_shape[0] != sizes[block]:
                name = "coupling" if isinstance(lead, Lead) else "self_energy"
                raise ShapeError(
                    f"leads[{k}].{name} couples to {lead.coupled_shape[0]} device orbitals but block {block} has "
                    f"{sizes[block]}; the rows of `{name}` are the orbitals of the device block."
                )
            placed.append(rebuild(lead, block=block))
        common_namespace(*leaves((self.hamiltonian, self.overlap, tuple(placed))))
        object.__setattr__(self, "leads", tuple(placed))

    @property
    def n_leads(self) -> int:
        """Number of leads."""
        return len(self.leads)

    @property
    def n_orbitals(self) -> int:
        """Orbitals of the device, leads not counted."""
        return self.hamiltonian.n_orbitals

    @property
    def bonds(self) -> Array:
        """Pairs (a, b), a < b, of orbitals joined by a non-zero entry of H or S, row by row: shape (n_bonds, 2).

        The order of `bond_current`'s last axis.
        """
        return bonds(self.hamiltonian, self.overlap)[0]

    def lead_index(self, lead: Any, name: str = "lead") -> int:
        """`lead` as an index into `leads`, or an error that says which there are."""
        if isinstance(lead, bool) or not hasattr(lead, "__index__"):
            raise InputTypeError(f"{name}={lead!r} must be the index of a lead, an integer.")
        if not -self.n_leads <= lead < self.n_leads:
            raise InputError(f"{name}={lead} but the device has leads 0 … {self.n_leads - 1}.")
        return int(lead) % self.n_leads

    def lead_pair(self, source: Any, drain: Any) -> tuple[int, int]:
        """Two different leads as indices, or an error."""
        pair = self.lead_index(source, "source"), self.lead_index(drain, "drain")
        if pair[0] == pair[1]:
            raise InputError(
                f"source={source} and drain={drain} are the same lead; its reflection is the diagonal of "
                "transmission_matrix."
            )
        return pair

    def project_tangent(self, tangent: Device) -> Device:
        """A tangent or cotangent of this device, projected on what may vary (Hermitian data stay Hermitian)."""
        overlap = tangent.overlap
        if overlap is not None and self.overlap is not None:
            overlap = self.overlap.project_tangent(overlap)
        leads: Sequence[Any] = tuple(
            None if t is None else lead.project_tangent(t) for t, lead in zip(tangent.leads, self.leads)
        )
        return rebuild(  # type: ignore[no-any-return]
            tangent, hamiltonian=self.hamiltonian.project_tangent(tangent.hamiltonian), overlap=overlap, leads=leads
        )
