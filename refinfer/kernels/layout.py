"""How large a C struct is, on any ABI: declare its members once, and the compiler's rule gives its size.

TFLM's arena holds C structs, and their size is most of what differs between a Cortex-M4 and an x86-64. A struct is
declared beside the kernel that allocates it, member by member in the order of the C source; `size_align` then
applies the C rule (every member at a multiple of its alignment, the whole padded to the largest) for the widths
that an `Abi` states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Scalar(Enum):
    """A member of one machine word or less, by its C type."""

    BOOL = "bool"
    INT8 = "int8_t"
    UINT8 = "uint8_t"
    INT16 = "int16_t"
    UINT16 = "uint16_t"
    INT32 = "int32_t"  # and int, and unsigned int
    FLOAT = "float"
    INT64 = "int64_t"
    DOUBLE = "double"
    ENUM = "enum"
    POINTER = "pointer"  # and a reference, and the vtable pointer of a class with virtual functions
    SIZE_T = "size_t"


BOOL, INT8, UINT8, INT16, UINT16, INT32, FLOAT, INT64, DOUBLE, ENUM, POINTER, SIZE_T = Scalar


@dataclass(frozen=True, slots=True)
class Repeated:
    """An array member: `count` times `member`."""

    member: Member
    count: int


@dataclass(frozen=True, slots=True)
class When:
    """A member that exists only in builds that define the macro `define` (or, with `absent`, only in the others)."""

    define: str
    member: Member
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Struct:
    """A C struct: its name in the source (`scope:Name` where several kernels use one name) and its members."""

    name: str
    members: tuple[tuple[str, Member], ...]

    def __hash__(self) -> int:
        return hash(self.name)


def struct(name: str, /, **members: Member) -> Struct:
    """Declare a struct: its members by name, in the order of the C source."""
    return Struct(name, tuple(members.items()))


Member = Scalar | Repeated | When | Struct


@dataclass(frozen=True, slots=True)
class Abi:
    """The widths that a compiler chose, in bytes.

    `enum` is 1 where the compiler shortens enums (arm-none-eabi GCC does, by AAPCS) and 4 elsewhere; `align64` is the
    alignment of int64 and double (4 on i386, 8 on everything else here).
    """

    pointer: int
    enum: int
    align64: int = 8


@dataclass(frozen=True, slots=True)
class Build:
    """What a kernel may know about the program it is compiled into.

    `library` is the kernel library, by its name in the registry; `defines` holds preprocessor macros
    (``TF_LITE_STATIC_MEMORY``, ``USE_TFLM_COMPRESSION``, ``ARM_MATH_DSP``); `structs` overrides the (size, alignment)
    of a struct by name, for releases whose sources differ from the declared members.
    """

    abi: Abi
    defines: frozenset[str] = frozenset()
    structs: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    library: str = "reference"
    _known: dict[Member, tuple[int, int]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __hash__(self) -> int:
        return hash((self.abi, self.library, self.defines))

    def sizeof(self, member: Member) -> int:
        """The bytes of `member`, as C's sizeof gives them."""
        return self.size_align(member)[0]

    def size_align(self, member: Member) -> tuple[int, int]:
        """Size and alignment of `member` in bytes."""
        found = self._known.get(member)
        if found is None:
            stated = self.structs.get(member.name) if isinstance(member, Struct) else None
            found = self._known[member] = stated or _size_align(member, self)
        return found


def _size_align(member: Member, build: Build) -> tuple[int, int]:
    match member:
        case Struct(members=members):
            return _pad_out([build.size_align(each) for _, each in members if _is_there(each, build)])
        case Repeated(member=each, count=count):
            size, align = build.size_align(each)
            return size * count, align
        case When(member=each):
            return build.size_align(each)
        case Scalar():
            return _scalar(member, build.abi)


def _scalar(member: Scalar, abi: Abi) -> tuple[int, int]:
    match member:
        case Scalar.BOOL | Scalar.INT8 | Scalar.UINT8:
            return 1, 1
        case Scalar.INT16 | Scalar.UINT16:
            return 2, 2
        case Scalar.INT32 | Scalar.FLOAT:
            return 4, 4
        case Scalar.INT64 | Scalar.DOUBLE:
            return 8, abi.align64
        case Scalar.ENUM:
            return abi.enum, abi.enum
        case Scalar.POINTER | Scalar.SIZE_T:
            return abi.pointer, abi.pointer


def _is_there(member: Member, build: Build) -> bool:
    return not isinstance(member, When) or (member.define in build.defines) != member.absent


def _pad_out(members: list[tuple[int, int]]) -> tuple[int, int]:
    """The C layout rule: each member at the next multiple of its alignment, the total likewise."""
    end, widest = 0, 1
    for size, align in members:
        end = round_up(end, align) + size
        widest = max(widest, align)
    return max(round_up(end, widest), 1), widest  # an empty struct of C++ still takes a byte


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is at least `value`."""
    return -(-value // multiple) * multiple
