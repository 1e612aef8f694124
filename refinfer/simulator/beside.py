"""What TFLM's program keeps in RAM beside the arena, as static objects: the interpreter and the table of operators.

Sources: micro_interpreter.h, micro_mutable_op_resolver.h, micro_common.h.
"""

from __future__ import annotations

from typing import NamedTuple

from refinfer.kernels.layout import INT32, POINTER, Build, Repeated, Struct, struct
from refinfer.schema.graph import Graph


class StaticObject(NamedTuple):
    """An object of the program; `nbytes` is None where its size was not measured."""

    what: str
    nbytes: int | None


def beside_arena(graph: Graph, build: Build) -> tuple[StaticObject, ...]:
    """The objects that a program for `graph` declares; how deep its stack gets nobody has measured."""
    operators = len({node.name for node in graph.nodes})
    interpreter = INTERPRETERS.get((build.abi.pointer, build.abi.enum))
    return (
        StaticObject("MicroInterpreter", interpreter),
        StaticObject(f"MicroMutableOpResolver<{operators}>", build.sizeof(op_resolver(operators))),
    )


def op_resolver(operators: int) -> Struct:
    """A table with room for that many operators."""
    return struct(
        f"MicroMutableOpResolver<{operators}>",
        vtable=POINTER,
        registrations=Repeated(REGISTRATION, operators),
        registrations_len=INT32,
        builtin_codes=Repeated(INT32, operators),
        builtin_parsers=Repeated(POINTER, operators),
        num_builtin_ops=INT32,
    )


REGISTRATION = struct(
    "TFLMRegistration",
    init=POINTER,
    free=POINTER,
    prepare=POINTER,
    invoke=POINTER,
    reset=POINTER,
    builtin_code=INT32,
    custom_name=POINTER,
)

INTERPRETERS = {(4, 1): 208, (4, 4): 212, (8, 4): 408}
"""sizeof(MicroInterpreter) by the bytes of a pointer and of an enum, as compilers gave it for TFLM 90b983c2b."""
