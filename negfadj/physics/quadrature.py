"""The Gauss–Kronrod pair (7, 15), and what integrals over energy tolerate.

Sources: Piessens et al., QUADPACK (1983), Sec. 2.2 and qk15.
"""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy as host

from ..errors import InputError

# abscissae in (0, 1), Kronrod weights, Gauss weights (zero where a node is Kronrod's alone)
_KRONROD = (
    (0.0, 0.209482141084727828012999174891714, 0.417959183673469387755102040816327),
    (0.207784955007898467600689403773245, 0.204432940075298892414161999234649, 0.0),
    (0.405845151377397166906606412076961, 0.190350578064785409913256402421014, 0.381830050505118944950369775488975),
    (0.586087235467691130294144691693600, 0.169004726639267902826583426598550, 0.0),
    (0.741531185599394439863864773280788, 0.140653259715525918745189590510238, 0.279705391489276667901467771423780),
    (0.864864423359769072789712788640926, 0.104790010322250183839876322541518, 0.0),
    (0.949107912342758524526189684047851, 0.063092092629978553290700663189204, 0.129484966168869693270611432679082),
    (0.991455371120812639206854697526329, 0.022935322010529224963732008058970, 0.0),
)
_HALF = _KRONROD[1:]
NODES = host.asarray([-x for x, _, _ in reversed(_HALF)] + [0.0] + [x for x, _, _ in _HALF])
KRONROD_WEIGHTS = host.asarray([w for _, w, _ in reversed(_HALF)] + [_KRONROD[0][1]] + [w for _, w, _ in _HALF])
GAUSS_WEIGHTS = host.asarray([w for _, _, w in reversed(_HALF)] + [_KRONROD[0][2]] + [w for _, _, w in _HALF])


NOTHING = 1e-22  # a transmission this small counts as none


def check_rtol(rtol: Any) -> None:
    """Raise `InputError` unless `rtol` lies between 0 and 1."""
    if isinstance(rtol, str) or not 0 < rtol < 1:
        raise InputError(f"rtol={rtol!r} must lie between 0 and 1.")
