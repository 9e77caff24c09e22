"""The one door to the benchmarks: ``python benchmarks/run.py NAME [--json] [--quick]``.

`speed` also has --only PART …, and --small for a machine that checks every change.

Prints a row per case: what was measured, its value, unit and bar; with --json one object a line, {"case", "value",
"unit", "bar", "pass"}. Exit status 0 when every bar is met. Every figure is measured in that run, as the median of
ratios taken side by side, on one BLAS thread.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
NAMES = ("core", "models", "scf", "speed", "applications")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--quick", action="store_true", help="fewer repeats, for a first look")
    parser.add_argument("--small", action="store_true", help="speed: under a minute, fails on a lost factor of 2")
    parser.add_argument("--write", action="store_true", help="with --small: keep its ratios as the expected ones")
    parser.add_argument("--only", nargs="+", metavar="PART", help="speed: these parts alone")
    arguments = parser.parse_args()
    if arguments.name != "speed" and (arguments.small or arguments.only or arguments.write):
        parser.error(f"--small, --write and --only belong to speed, not to {arguments.name}")
    if arguments.write and not arguments.small:
        parser.error("--write goes with --small")
    for name in THREADS:  # before NumPy is imported
        os.environ[name] = "1"
    here = Path(__file__).resolve().parent
    if not (here / f"{arguments.name}.py").exists():
        print(
            f"benchmarks/{arguments.name}.py does not exist yet; there is: "
            f"{', '.join(n for n in NAMES if (here / f'{n}.py').exists())}",
            file=sys.stderr,
        )
        return 2
    sys.path.insert(0, str(here))
    module = importlib.import_module(arguments.name)
    options = {}
    if arguments.name == "speed":
        unknown = sorted(set(arguments.only or ()) - set(module.PARTS))
        if unknown:
            parser.error(f"speed has no part {', '.join(unknown)}; there are {', '.join(module.PARTS)}")
        options = {"only": arguments.only, "small": arguments.small, "write": arguments.write}
    passed = True
    for row in module.rows(repeats=3 if arguments.quick else 7, **options):
        passed &= row.passed
        print(json.dumps(row.as_json()) if arguments.json else row.as_text(), flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
