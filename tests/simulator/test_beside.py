"""Static objects beside the arena have the size that compilers gave them."""

import pytest

from refinfer.kernels.layout import Build
from refinfer.simulator.beside import op_resolver
from refinfer.simulator.targets import ARM_EABI


@pytest.mark.parametrize(("operators", "nbytes"), [(1, 48), (2, 84), (10, 372)])
def test_a_resolver_is_as_large_as_on_a_cortex_m4(operators: int, nbytes: int) -> None:
    """arm-none-eabi-gcc 12.2.1, TFLM 90b983c2b."""
    assert Build(ARM_EABI).sizeof(op_resolver(operators)) == nbytes
