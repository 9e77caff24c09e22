"""Pictures of differential quantities: what they draw, in the axes they are given."""

from __future__ import annotations

import numpy as np
import pytest

import negfadj as na
from negfadj.callers import plots_differential as plots

figures = pytest.importorskip("matplotlib.figure")


def axes(n: int = 1):
    return figures.Figure().subplots(n, 1)


def test_transmission_derivatives_are_drawn_order_by_order() -> None:
    energies, panels = np.linspace(0, 1, 5), axes(3)
    values = np.arange(15.0).reshape(5, 3)
    assert plots.plot_transmission_derivatives(panels, energies, values) is panels
    for k, panel in enumerate(panels):
        np.testing.assert_array_equal(panel.lines[0].get_ydata(), values[:, k])
    assert panels[2].get_ylabel() == "d²T/dE² (1/eV²)"
    with pytest.raises(na.ShapeError, match=r"must be \(n_energies, n_axes\) = \(5, 2\)"):
        plots.plot_transmission_derivatives(axes(2), energies, values)


def test_seebeck_is_drawn_in_microvolts_per_kelvin() -> None:
    drawn = plots.plot_seebeck(axes(), [0.0, 0.1], [1e-6, -2e-6])
    np.testing.assert_allclose(drawn.lines[0].get_ydata(), [1.0, -2.0])


@pytest.mark.parametrize("draw", [plots.plot_differential_conductance, plots.plot_transconductance])
def test_slopes_of_the_current_are_drawn_as_they_are(draw) -> None:
    drawn = draw(axes(), [0.0, 0.1, 0.2], [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(drawn.lines[0].get_xydata(), [[0, 1], [0.1, 2], [0.2, 3]])
    assert "(µA/V)" in drawn.get_ylabel() and "(V)" in drawn.get_xlabel()
    with pytest.raises(na.ShapeError, match="the values have shape"):
        draw(axes(), [0.0, 0.1], [1.0])


def test_scanning_gate_map_has_a_colour_for_every_site() -> None:
    positions = np.array([[0.0, 0, 1], [1, 0, 2], [0, 1, 3]])
    drawn = plots.plot_scanning_gate_map(axes(), positions, [0.5, -1.0, 0.0])
    (sites,) = drawn.collections
    np.testing.assert_array_equal(sites.get_array(), [0.5, -1.0, 0.0])
    low, high = sites.get_clim()
    assert low == -high and 0.9 < high <= 1.0
    with pytest.raises(na.ShapeError, match=r"positions \(3, 3\) and values \(2,\)"):
        plots.plot_scanning_gate_map(axes(), positions, [0.5, -1.0])
    with pytest.raises(na.InputError, match="not finite"):
        plots.plot_scanning_gate_map(axes(), positions, [0.5, np.nan, 0.0])
