"""What the job files of a fit and of a design share: which numbers vary, how the search goes, where results go.

docs/guide-command-line.md explains every key.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from .job_file import (
    DeviceSection,
    EnergiesSection,
    JobSettings,
    LeadsSection,
    ModelSection,
    Region,
    Section,
    StructureSection,
)

Kind = Literal["model", "pair", "onsite", "potential", "onsite-entries", "hopping-entries"]
OF_ATOMS = ("onsite", "potential", "onsite-entries", "hopping-entries")
KEYS: dict[str, tuple[str, ...]] = {
    "model": ("name",),
    "pair": ("elements", "neighbour", "integral"),
    **{kind: ("atoms", "elements", "region", "together") for kind in OF_ATOMS},
}
OWN_KEYS = ("name", "elements", "neighbour", "integral", "atoms", "region", "together")


class ParameterSection(Section):
    """[[parameter]]: numbers that vary, where they start and their bounds."""

    kind: Kind
    name: str | None = None
    elements: list[str] | None = Field(default=None, min_length=1)
    neighbour: int = Field(default=1, ge=1)
    integral: str | None = None
    atoms: list[Annotated[int, Field(ge=0)]] | None = Field(default=None, min_length=1)
    region: Region | None = None
    together: bool = False
    start: float | None = None
    bounds: Region | None = None
    within: float | None = Field(default=None, gt=0)
    scale: float | None = Field(default=None, gt=0)

    @field_validator(*OWN_KEYS)
    @classmethod
    def _belongs_to_the_kind(cls, value: Any, info: ValidationInfo) -> Any:
        kind = info.data.get("kind")
        if kind is not None and info.field_name not in KEYS[kind]:
            raise ValueError(f'kind = "{kind}" has no `{info.field_name}`; it has {", ".join(KEYS[kind])}')
        return value

    @field_validator("within")
    @classmethod
    def _bounds_or_within(cls, value: float | None, info: ValidationInfo) -> float | None:
        if info.data.get("bounds") is not None:
            raise ValueError("give `bounds` or `within`, not both")
        return value

    @field_validator("bounds")
    @classmethod
    def _rising_bounds(cls, value: list[float] | None, info: ValidationInfo) -> list[float] | None:
        if value is None:
            return value
        start = info.data.get("start")
        if not value[0] < value[1]:
            raise ValueError("bounds are [lower, upper], and lower is below upper")
        if start is not None and not value[0] <= start <= value[1]:
            raise ValueError(f"the bounds leave out `start` = {start}")
        return value

    @model_validator(mode="after")
    def _is_named(self) -> ParameterSection:
        if self.kind == "model" and self.name is None:
            raise ValueError('kind = "model" needs `name`, such as "onsite.C" or "shells[0].hopping"')
        if self.kind == "pair" and (self.elements is None or len(self.elements) != 2):
            raise ValueError('kind = "pair" needs `elements`, two of them: ["C", "B"]')
        return self


class SearchSettings(Section):
    """What both kinds of job have beside their own sections."""

    title: str = ""
    structure: StructureSection | None = None
    model: ModelSection
    device: DeviceSection = DeviceSection()
    leads: LeadsSection = LeadsSection()
    parameter: list[ParameterSection] = Field(min_length=1)

    def transport(self, energies: EnergiesSection) -> JobSettings:
        """The job that calculates the spectra of the device as it is at the start; there is a structure."""
        assert self.structure is not None
        return JobSettings(
            title=self.title,
            structure=self.structure,
            model=self.model,
            device=self.device,
            leads=self.leads,
            energies=energies,
        )


class SearchOutputSection(Section):
    """[output]: where results go."""

    file: str | None = None
    pictures: bool = True
