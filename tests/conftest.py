"""Options, Hypothesis profiles and the array backends every gradient and observable is tried on."""

from __future__ import annotations

import os

import hypothesis
import pytest
from backends import BACKENDS, Backend, gpu_fault

hypothesis.settings.register_profile("local", deadline=None, max_examples=12, derandomize=True, database=None)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=12, derandomize=True, database=None)
hypothesis.settings.register_profile("search", deadline=None, max_examples=200)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "local"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-gpu", action="store_true", help="a test that needs CuPy and a GPU fails, not skips, without one"
    )


def require_gpu(config: pytest.Config) -> None:
    """Skip, or fail under --require-gpu, when there is no usable GPU."""
    fault = gpu_fault()
    if fault is not None:
        if config.getoption("--require-gpu"):
            pytest.fail(f"--require-gpu: {fault}")
        pytest.skip(fault)


@pytest.fixture(autouse=True)
def _gpu_marked_tests_need_a_gpu(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("gpu") is not None:
        require_gpu(request.config)


@pytest.fixture(
    scope="session",
    params=[pytest.param(name, marks=pytest.mark.gpu) if name == "cupy" else name for name in BACKENDS],
)
def backend(request: pytest.FixtureRequest) -> Backend:
    """numpy, read-only numpy, array-api-strict on its second device, and CuPy where there is a GPU."""
    if request.param == "cupy":
        require_gpu(request.config)
    return BACKENDS[request.param]
