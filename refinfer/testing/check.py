"""Your kernel against refinfer, bit by bit: one call, or one decorator over a test.

    check_kernel(kernel, BuiltinOperator.FULLY_CONNECTED, TensorType.INT8, dialect="tflm", weights=TensorType.INT8)

    @kernel_test(BuiltinOperator.CONV_2D, TensorType.INT8, dialect="tflm")
    def test_conv(case): return my_conv(*case.operands)

What fails is made as small as Hypothesis can, and the model and its inputs are written to files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
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
from refinfer.testing.repeatable import decided_by_seed

if TYPE_CHECKING:
    from refinfer.kernels.compute import Array

    Kernel = Callable[[Case], "Array | Sequence[Array]"]


ROUNDS = 10  # of shrinking, at most
SMALL = (1, 2)  # the lengths to which tensors are then limited


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
    shrink: bool = True,
    save: str | os.PathLike[str] | None = "failing.tflite",
    **pinned: Any,
) -> int:
    """Compare the kernel with refinfer on as many examples; how many cases were compared.

    `op` and `type` say what the cases are of, and `pinned` what the kernel has no choice of (see `nodes`); or `op` is a
    strategy of cases. `seed` makes a run repeatable. Without `shrink`, the first case that differs is told of as it is:
    for kernels that take long, such as those on a board. Raises KernelMismatch for the smallest case that differs, once
    its model is in the file `save`, and its inputs, the expected outputs and those found are in an .npz file beside it;
    raises UsageError if no example could be compared at all.
    """
    if isinstance(op, SearchStrategy):
        strategies = [op]
    else:
        strategies = [cases(op, _given(type), **({"largest": most} | pinned)) for most in (None, *SMALL)]
    compared = 0

    def holds(case: Case) -> None:
        nonlocal compared
        compare(kernel, case, dialect)
        compared += 1

    if shrink:
        mismatch = smallest_mismatch(strategies, holds, examples, seed)
    else:
        mismatch = Search(strategies[0], holds, seed).run(examples, Phase.generate)
    if mismatch is not None:
        note = "" if save is None else f"\n{written(kernel, mismatch.case, dialect, Path(save))}"
        raise KernelMismatch(mismatch.case, f"{mismatch}{note}") from mismatch.__cause__
    if compared == 0:
        raise UsageError(f"nothing was compared: the kernel or the dialect {dialect} takes none of the cases")
    return compared


def smallest_mismatch(
    strategies: Sequence[SearchStrategy[Case]], holds: Callable[[Case], None], examples: int, seed: int | None
) -> KernelMismatch | None:
    """What `holds` raises for a small case of the first strategy; None if it raises nothing.

    Shrinking moves no values, so that the one element that differs keeps a large tensor large. The other strategies are
    therefore tried as well, which make small cases, the smallest first. (Small, but not the smallest there is.)
    """
    first, *others = strategies
    search = Search(first, holds, seed)
    mismatch = search.run(examples, Phase.generate, Phase.shrink)
    for strategy in others if mismatch is not None else ():
        smaller = Search(strategy, holds, seed)
        found = smaller.run(examples, Phase.generate, Phase.shrink)
        if found is not None and mismatch is not None and found.case.elements < mismatch.case.elements:
            search, mismatch = smaller, found
            break
    return None if mismatch is None else search.shrink_on(mismatch)


class Search:
    """Examples of a strategy, and what Hypothesis remembers of those that failed."""

    def __init__(self, strategy: SearchStrategy[Case], holds: Callable[[Case], None], seed: int | None) -> None:
        """Nothing is run yet."""
        self._strategy, self._holds, self._seed = strategy, holds, seed
        self._database = InMemoryExampleDatabase()

    def run(self, examples: int, *phases: Phase) -> KernelMismatch | None:
        """What the first example raises that fails."""
        test = given(self._strategy)(self._holds)
        seeded = test if self._seed is None else hypothesis.seed(self._seed)(test)
        run = settings(  # after the seed, which would forget the database
            max_examples=examples,
            phases=phases,
            database=self._database,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
        )(seeded)
        try:
            with nullcontext() if self._seed is None else decided_by_seed():
                run()
        except KernelMismatch as mismatch:
            return mismatch
        except Unsatisfiable:
            pass
        return None

    def shrink_on(self, mismatch: KernelMismatch) -> KernelMismatch:
        """Hypothesis stops after so many steps towards a smaller case; start again from there, if that leads on."""
        for _ in range(ROUNDS):
            found = self.run(1, Phase.reuse, Phase.shrink)
            if found is None or found.case.key == mismatch.case.key:
                break
            mismatch = found
        return mismatch


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
    nodes = case.graph.subgraphs[0].nodes
    for difference in differences(expected, found):
        lines = [f"The kernel is not {' and '.join(node.name for node in nodes)} of the dialect {dialect}."]
        lines += [str(difference), *(explain(case, difference, dialect) if len(nodes) == 1 else [repr(case)])]
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
