"""Your kernel against refinfer, bit by bit: one call, or one decorator over a test.

    check_kernel(kernel, BuiltinOperator.FULLY_CONNECTED, TensorType.INT8, dialect="tflm", weights=TensorType.INT8)

    @kernel_test(BuiltinOperator.CONV_2D, TensorType.INT8, dialect="tflm")
    def test_conv(case): return my_conv(*case.operands)

What fails is made as small as Hypothesis can, and the model and its inputs are written to files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity, given, reject, settings
from hypothesis.database import InMemoryExampleDatabase
from hypothesis.errors import HypothesisException, Unsatisfiable
from hypothesis.strategies import SearchStrategy

from refinfer.kernels.kernel import Refusal
from refinfer.kernels.lazy import np
from refinfer.schema.enums import BuiltinOperator, TensorType
from refinfer.schema.errors import RefinferError, UsageError
from refinfer.testing.case import Case
from refinfer.testing.explain import differences, explain
from refinfer.testing.generate import cases

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

    Kernel = Callable[[Case], "Array | Sequence[Array]"]


ROUNDS = 10  # of shrinking, at most


class KernelMismatch(AssertionError):
    """The kernel computes something else; `case` is the smallest that was found, and the message tells of it."""

    def __init__(self, case: Case, message: str) -> None:
        super().__init__(message)
        self.case = case


def check_kernel(
    kernel: Kernel,
    op: BuiltinOperator | SearchStrategy[Case],
    type: TensorType | None = None,
    *,
    dialect: str = "tflm",
    examples: int = 200,
    seed: int | None = None,
    save: str | os.PathLike[str] | None = "failing.tflite",
    **pinned: Any,
) -> int:
    """Compare the kernel with refinfer on as many examples; how many cases were compared.

    `op` and `type` say what the cases are of, and `pinned` what the kernel has no choice of (see `nodes`); or `op` is a
    strategy of cases. `seed` makes a run repeatable. Raises KernelMismatch for the smallest case that differs, once its
    model is in the file `save` and its inputs, the expected outputs and those found in an .npz file beside it; raises
    UsageError if no example could be compared at all.
    """
    strategy = op if isinstance(op, SearchStrategy) else cases(op, _given(type), **pinned)
    compared = 0

    def holds(case: Case) -> None:
        nonlocal compared
        compare(kernel, case, dialect)
        compared += 1

    mismatch = smallest_mismatch(strategy, holds, examples, seed)
    if mismatch is not None:
        note = "" if save is None else f"\n{written(kernel, mismatch.case, dialect, Path(save))}"
        raise KernelMismatch(mismatch.case, f"{mismatch}{note}") from mismatch.__cause__
    if compared == 0:
        raise UsageError(f"nothing was compared: the kernel or the dialect {dialect} takes none of the cases")
    return compared


def smallest_mismatch(
    strategy: SearchStrategy[Case], holds: Callable[[Case], None], examples: int, seed: int | None
) -> KernelMismatch | None:
    """What `holds` raises for a small case; None if it raises nothing.

    Shrinking moves no values, so that the one element that differs keeps a large tensor large. Other cases, of at most
    half the size, are therefore looked for until there are none that fail. (Small, but not the smallest there is.)
    """
    mismatch = shrunk_mismatch(strategy, holds, examples, seed)
    smallest = None
    while mismatch is not None:
        smallest = mismatch
        mismatch = shrunk_mismatch(up_to(strategy, smallest.case.elements // 2), holds, examples, seed)
    return smallest


def up_to(strategy: SearchStrategy[Case], elements: int) -> SearchStrategy[Case]:
    """The cases that have at most so many."""
    return strategy.filter(lambda case: case.elements <= elements)


def shrunk_mismatch(
    strategy: SearchStrategy[Case], holds: Callable[[Case], None], examples: int, seed: int | None
) -> KernelMismatch | None:
    """What `holds` raises for a case that Hypothesis makes no smaller.

    It stops after so many steps towards a smaller case; it then starts again from there.
    """
    database = InMemoryExampleDatabase()
    mismatch = None
    for phases in ([Phase.generate, Phase.shrink], *[[Phase.reuse, Phase.shrink]] * ROUNDS):
        found = _mismatch(strategy, holds, seed, max_examples=examples, database=database, phases=phases)
        if found is None or (mismatch is not None and found.case.key == mismatch.case.key):
            break
        mismatch = found
    return mismatch


def _mismatch(
    strategy: SearchStrategy[Case], holds: Callable[[Case], None], seed: int | None, **options: Any
) -> KernelMismatch | None:
    test = given(strategy)(holds)
    seeded = test if seed is None else hypothesis.seed(seed)(test)
    try:
        settings(  # after the seed, which would forget the database
            **options,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
        )(seeded)()
    except KernelMismatch as mismatch:
        return mismatch
    except Unsatisfiable:
        pass
    return None


def _given(type: TensorType | None) -> TensorType:
    if type is None:
        raise UsageError("an operator needs the type of its tensors")
    return type


def kernel_test(
    op: BuiltinOperator | SearchStrategy[Case], type: TensorType | None = None, **options: Any
) -> Callable[[Kernel], Callable[[], None]]:
    """Make a test without arguments of a kernel; the arguments are those of `check_kernel`."""

    def decorate(kernel: Kernel) -> Callable[[], None]:
        def test() -> None:
            check_kernel(kernel, op, type, **options)

        test.__name__ = getattr(kernel, "__name__", "test")
        test.__doc__ = kernel.__doc__
        test.__module__ = kernel.__module__
        return test

    return decorate


def compare(kernel: Kernel, case: Case, dialect: str) -> None:
    """Raise KernelMismatch if the kernel and refinfer differ; skip what refinfer refuses."""
    try:
        expected = case.expected(dialect)
    except (RefinferError, Refusal):
        reject()
    try:
        found = outputs_of(kernel, case)
    except (HypothesisException, UsageError):
        raise
    except Exception as error:
        message = f"The kernel raised {type(error).__name__}: {error}\n  {case!r}"
        raise KernelMismatch(case, message) from error
    for difference in differences(expected, found):
        lines = [
            f"The kernel is not {case.graph.subgraphs[0].nodes[0].name} of the dialect {dialect}.",
            str(difference),
        ]
        if len(case.graph.subgraphs[0].nodes) == 1:
            lines += explain(case, difference, dialect)
        else:
            lines.append(repr(case))
        raise KernelMismatch(case, "\n  ".join(lines))


def outputs_of(kernel: Kernel, case: Case) -> Sequence[Array]:
    """What the kernel gives, as a list of arrays."""
    found = kernel(case)
    return [np.asarray(each) for each in found] if isinstance(found, list | tuple) else [np.asarray(found)]


def written(kernel: Kernel, case: Case, dialect: str, path: Path) -> str:
    """Write the model, and beside it its values; says where."""
    path.write_bytes(case.model)
    values = path.with_suffix(".npz")
    arrays = {f"input_{number}": x for number, x in enumerate(case.inputs)}
    arrays |= {f"expected_{number}": y for number, y in enumerate(case.expected(dialect))}
    with suppress(Exception):  # what the kernel itself raises has been told
        arrays |= {f"found_{number}": y for number, y in enumerate(outputs_of(kernel, case))}
    np.savez(values, **arrays)  # type: ignore[arg-type]
    return f"  The model is in {path}, its inputs and outputs are in {values}."
