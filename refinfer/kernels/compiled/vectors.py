"""Vectors of LANES numbers in LLVM's own words: what a loop in Python cannot say, and a processor can.

Everything here is generic: extend, multiply, shuffle, add. No instruction is named, so none can be missing; LLVM finds
the best that a processor has (vpdpwssd with AVX-512 VNNI, vpmaddwd with AVX2 and SSE2, smlal on ARM).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from refinfer.kernels.compiled.jit import LANES

I8, I16, I32, I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
Body = Callable[..., None]


def generated(count: int, body: Body) -> Any:
    """A function of one tuple of `count` int64 that kernels can call; `body` writes its code from their values."""

    @intrinsic  # type: ignore[untyped-decorator]  # numba tells no types
    def call(typing_context: Any, arguments: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Sequence[Any]) -> ir.Value:
            body(builder, *(builder.extract_value(values[0], i) for i in range(count)))
            return context.get_dummy_value()

        return types.void(types.UniTuple(types.int64, count)), generate

    return call


def word(value: int) -> ir.Constant:
    """An int64."""
    return ir.Constant(I64, value)


def all_lanes(value: int) -> ir.Constant:
    """LANES times the same int32."""
    return ir.Constant(ir.VectorType(I32, LANES), [value] * LANES)


def load(builder: ir.IRBuilder, address: ir.Value, type: ir.Type) -> ir.Value:
    """What is at an address, which need not be aligned."""
    value = builder.load(builder.inttoptr(address, type.as_pointer()), typ=type)
    value.align = 1
    return value


def store(builder: ir.IRBuilder, value: ir.Value, address: ir.Value) -> None:
    """Put a value there, which need not be aligned."""
    builder.store(value, builder.inttoptr(address, value.type.as_pointer())).align = 1


def splat(builder: ir.IRBuilder, value: ir.Value, count: int) -> ir.Value:
    """`count` times the same number."""
    undefined = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(I32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, count), [0] * count))


def pick(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, places: Sequence[int]) -> ir.Value:
    """The numbers of a, and then of b, at these places."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(places)), list(places)))


def add_products_of_pairs(builder: ir.IRBuilder, total: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
    """total[i] + a[2i] * b[2i] + a[2i + 1] * b[2i + 1], of int16 in int32."""
    wide = ir.VectorType(I32, 2 * LANES)
    products = builder.mul(builder.sext(a, wide), builder.sext(b, wide))
    even = pick(builder, products, products, range(0, 2 * LANES, 2))
    odd = pick(builder, products, products, range(1, 2 * LANES, 2))
    return builder.add(total, builder.add(even, odd))


class counted:  # noqa: N801  # reads as the statement that it stands for
    """`with counted(builder, number) as i:` writes a loop over 0 to number - 1, with at least one turn."""

    def __init__(self, builder: ir.IRBuilder, number: ir.Value) -> None:
        """Nothing is written before the loop is entered."""
        self.builder, self.number = builder, number

    def __enter__(self) -> ir.Value:
        builder = self.builder
        before, self.loop = builder.block, builder.append_basic_block()
        builder.branch(self.loop)
        builder.position_at_end(self.loop)
        self.i = builder.phi(I64)
        self.i.add_incoming(word(0), before)
        return self.i

    def __exit__(self, *failure: object) -> None:
        builder, after = self.builder, self.builder.append_basic_block()
        following = builder.add(self.i, word(1))
        self.i.add_incoming(following, builder.block)
        builder.cbranch(builder.icmp_signed("<", following, self.number), self.loop, after)
        builder.position_at_end(after)
