"""What tests share, and how Hypothesis runs; ``make test ARGS=--hypothesis-profile=fast`` takes another profile."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests import corpus
from tests.referees.tflm import Tflm

ON_A_BUILD_SERVER = "CI" in os.environ

settings.register_profile(
    "refinfer",
    deadline=None,  # a busy machine is no defect
    suppress_health_check=[HealthCheck.too_slow],  # and neither is this
    derandomize=ON_A_BUILD_SERVER,  # a red build is red again on the next try
    print_blob=ON_A_BUILD_SERVER,
)
settings.register_profile("fast", settings.get_profile("refinfer"), max_examples=10)
settings.load_profile("refinfer")


def pytest_report_header() -> str:
    """Say which of the real models this run looks at."""
    return corpus.describe()


@pytest.fixture(scope="module")
def tflm() -> Iterator[Tflm]:
    """The official TFLM, in a process of its own."""
    with Tflm() as referee:
        yield referee
