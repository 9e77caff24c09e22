"""Fits, designs and optimisations beside the published result, and what a gradient costs.

One file per application, applications_<what>.py, with a function rows(repeats).
"""

from __future__ import annotations

from collections.abc import Iterator

import applications_design
import applications_doping
import applications_fitting
import applications_gradients
import applications_strain
import applications_variability
from measure import Row, unless_it_fails

PARTS = {
    "fitting": applications_fitting.rows,
    "doping": applications_doping.rows,
    "strain": applications_strain.rows,
    "design": applications_design.rows,
    "variability": applications_variability.rows,
    "gradients": applications_gradients.rows,
}


def rows(repeats: int) -> Iterator[Row]:
    """All applications, one after the other."""
    for name, part in PARTS.items():
        yield from unless_it_fails(name, part(repeats))
