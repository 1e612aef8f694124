"""How Hypothesis runs here; pick another profile with ``make test ARGS=--hypothesis-profile=fast``."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests import corpus

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
