"""The builds of TFLM that arenas are computed for. A target is data: add a row to add a build.

docs/targets.md tells of each what it was compared with, and how to describe a build of one's own in a file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from refinfer.kernels.changes import CHANGES, OLDEST, older_than
from refinfer.kernels.common import NDEBUG, USE_TFLM_COMPRESSION
from refinfer.kernels.layout import Abi, Build
from refinfer.kernels.libraries import esp_nn_sizes
from refinfer.kernels.libraries.cmsis_nn import SPEED
from refinfer.kernels.libraries.cmsis_nn_sizes import DSP, MVE
from refinfer.kernels.libraries.esp_nn_sizes import ESP32P4, ESP32S3, OPTIMIZED
from refinfer.kernels.registry import LIBRARIES
from refinfer.schema.errors import UsageError
from refinfer.simulator.structs import TF_LITE_STATIC_MEMORY
from refinfer.toml_file import read_toml

LP64 = Abi(pointer=8, enum=4)
ILP32 = Abi(pointer=4, enum=4)
ARM_EABI = Abi(pointer=4, enum=1)
I386 = Abi(pointer=4, enum=4, align64=4)

TFLM_COMMIT = "90b983c2b (2026-08-20)"


@dataclass(frozen=True, slots=True)
class Target:
    """One build of TFLM: who compiled it, how, and with which allocator the program uses it.

    `recording` programs use RecordingMicroAllocator and its larger objects. `resource_variables` is the number that the
    program passes to MicroResourceVariables::Create; None stands for as many as the model has, and none at all where it
    has none; with `variables_elsewhere` they have an arena of their own. With 2 `arenas` what is persistent lies apart
    from what is not, which TFLM cannot do while it records. `planner` is one of PLANNERS: TFLM has "greedy", and
    "linear" for programs that preserve all tensors; with any other it is computed what would be. `structs` overrides
    sizes where this build's sources differ from the declared members. `releases` are those of the kernel library, each
    by the macros that tell it from the others; a target without a release in its name has the last.
    """

    name: str
    summary: str
    abi: Abi
    verified: str
    kernels: str = "reference"
    defines: frozenset[str] = frozenset({TF_LITE_STATIC_MEMORY})
    structs: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    recording: bool = False
    resource_variables: int | None = None
    variables_elsewhere: bool = False
    arenas: int = 1
    planner: str = "greedy"
    tflm: str = TFLM_COMMIT
    releases: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises UsageError where TFLM has no allocator of that kind."""
        if self.arenas not in (1, 2):
            raise UsageError(f"arenas: {self.arenas}; it is 1, or 2: one for what is persistent and one for the rest")
        if self.arenas == 2 and self.recording:
            raise UsageError(f"target {self.name!r} records, and TFLM's recording allocator has a single arena")

    def __hash__(self) -> int:
        return hash(self.build)

    @property
    def unnamed(self) -> Target:
        """What the simulation depends on: targets that differ in name and words alone, as cortex-m0 and -m4, agree."""
        return replace(self, name="", summary="", verified="", tflm="", releases={})

    @property
    def build(self) -> Build:
        """What kernels may know of this target."""
        return Build(self.abi, self.defines, self.structs, self.kernels)

    def with_release(self, release: str) -> Target:
        """The same with another release of the kernel library; raises UsageError for one that is not known."""
        if release not in self.releases:
            known = f"the releases are {', '.join(self.releases)}" if self.releases else "it has no releases"
            raise UsageError(f"unknown release {release!r} of target {self.name!r}; {known}")
        others = frozenset().union(*self.releases.values())
        defines = self.defines - others | self.releases[release]
        return replace(self, name=f"{self.name}@{release}", defines=defines)

    def each_release(self) -> tuple[Target, ...]:
        """The same with each release of the kernel library; of those that simulate alike, one."""
        with_release = [self.with_release(each) for each in self.releases]
        return tuple({each.unnamed: each for each in (self, *with_release)}.values())

    def in_two_arenas(self) -> Target:
        """The same with what is persistent in an arena of its own."""
        return replace(self, arenas=2)

    def with_planner(self, name: str) -> Target:
        """The same with another planner of the head; raises UsageError for one that is not known."""
        from refinfer.planners.registry import PLANNERS  # rarely asked for

        if name not in PLANNERS:
            raise UsageError(f"unknown planner {name!r}; the planners are {', '.join(PLANNERS)}")
        return self if name == self.planner else replace(self, name=f"{self.name} (planner {name})", planner=name)

    def with_tflm(self, date: str) -> Target:
        """The same with a TFLM of that date, "2023-01" or "2023-01-14"; raises UsageError where that is not known."""
        if not re.fullmatch(r"\d{4}-\d\d(-\d\d)?", date):
            raise UsageError(f"{date!r} is not a date of TFLM; it is written as 2023-01 or 2023-01-14")
        if date < OLDEST:
            raise UsageError(f"a TFLM of {date} is older than any that is known; the oldest is of {OLDEST}")
        return replace(self, defines=self.defines.difference(CHANGES) | older_than(date), tflm=date)


_CMSIS_NN = frozenset({TF_LITE_STATIC_MEMORY, SPEED})
_ESP_NN = frozenset({TF_LITE_STATIC_MEMORY, OPTIMIZED}) | esp_nn_sizes.RELEASES["1.2.3"]
_ESP_TFLITE_MICRO = "esp-tflite-micro 1.4.0 (2026-08-13)"
_QEMU = "arenas, categories, minima and every allocation of real builds run under QEMU"
_SAME_ABI = "arenas and minima of an Arm build with int-sized enums, which has the same struct layout"

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target(
            "cortex-m4",
            "Arm Cortex-M3 to M85, arm-none-eabi-gcc (short enums), reference kernels",
            ARM_EABI,
            f"{_QEMU} (Cortex-M4F)",
        ),
        Target(
            "cortex-m0",
            "Arm Cortex-M0 and M0+, arm-none-eabi-gcc (short enums), reference kernels",
            ARM_EABI,
            f"{_QEMU} (Cortex-M0+); equal to cortex-m4",
        ),
        Target(
            "cortex-m4+cmsis-nn",
            "Arm Cortex-M4, M7 or M33 with DSP, arm-none-eabi-gcc (short enums), CMSIS-NN kernels",
            ARM_EABI,
            f"{_QEMU} (Cortex-M4F)",
            kernels="cmsis-nn",
            defines=_CMSIS_NN | {DSP},
        ),
        Target(
            "cortex-m33-nodsp+cmsis-nn",
            "Arm Cortex-M3, M23 or M33 without DSP, arm-none-eabi-gcc (short enums), CMSIS-NN kernels in plain C",
            ARM_EABI,
            "arenas and minima of real builds run under QEMU (Cortex-M33 without DSP)",
            kernels="cmsis-nn",
            defines=_CMSIS_NN,
        ),
        Target(
            "cortex-m0+cmsis-nn",
            "Arm Cortex-M0 or M0+, arm-none-eabi-gcc (short enums), CMSIS-NN kernels in plain C",
            ARM_EABI,
            "the builds for cortex-m33-nodsp+cmsis-nn: the ABI is the same, and so is the C",
            kernels="cmsis-nn",
            defines=_CMSIS_NN,
        ),
        Target(
            "cortex-m55+cmsis-nn",
            "Arm Cortex-M55 or M85 with MVE, arm-none-eabi-gcc (short enums), CMSIS-NN kernels",
            ARM_EABI,
            "arenas and minima of real builds run under QEMU (Cortex-M55)",
            kernels="cmsis-nn",
            defines=_CMSIS_NN | {DSP, MVE},
        ),
        Target(
            "nano33ble-arduino",
            "Arduino Nano 33 BLE and other Cortex-M4 of Arduino's mbed cores: the library Chirale_TensorFlowLite 2.0.0",
            ARM_EABI,
            "the arenas that a Nano 33 BLE reported for four networks",
            kernels="cmsis-nn-2023",
            defines=frozenset({DSP}) | older_than("2023-01-13"),  # Arduino builds cannot define TF_LITE_STATIC_MEMORY
            tflm="2023-01-13",
        ),
        Target(
            "esp32+esp-nn",
            "ESP32, S2, C3, C6 and all others without kernels of their own: esp-tflite-micro, esp-nn kernels",
            ILP32,
            "the arenas that two ESP32 boards reported for four networks",
            kernels="esp-nn",
            defines=_ESP_NN,
            tflm=_ESP_TFLITE_MICRO,
            releases=esp_nn_sizes.RELEASES,
        ),
        Target(
            "esp32s3+esp-nn",
            "ESP32-S3: esp-tflite-micro, esp-nn kernels",
            ILP32,
            "head and free tail in the logs of users' boards, five models with esp-nn 1.2.1 or 1.2.2",
            kernels="esp-nn",
            defines=_ESP_NN | {ESP32S3},
            tflm=_ESP_TFLITE_MICRO,
            releases=esp_nn_sizes.RELEASES,
        ),
        Target(
            "esp32p4+esp-nn",
            "ESP32-P4: esp-tflite-micro, esp-nn kernels",
            ILP32,
            "nothing that was measured: computed from esp-nn's sources",
            kernels="esp-nn",
            defines=_ESP_NN | {ESP32P4},
            tflm=_ESP_TFLITE_MICRO,
            releases=esp_nn_sizes.RELEASES,
        ),
        Target("riscv32", "RISC-V, 32 bit (int-sized enums), reference kernels", ILP32, _SAME_ABI),
        Target("xtensa", "Xtensa: ESP32 and its like (int-sized enums), reference kernels", ILP32, _SAME_ABI),
        Target(
            "wasm32",
            "WebAssembly, 32 bit (int-sized enums), reference kernels",
            ILP32,
            "what wasm32-mcufit was, which has the same structs and kernels, but not the same allocator",
        ),
        Target(
            "wasm32-mcufit",
            "the WebAssembly that mcufit 0.5.2 ships, as it reports: recording, with 100 resource variables",
            ILP32,
            "the arenas and categories that it reported",
            recording=True,
            resource_variables=100,
            tflm="18b9e6f2",
        ),
        Target("x86-64", "a 64-bit host, plain build, reference kernels", LP64, "arenas and minima of a host build"),
        Target(
            "x86-64-wheel",
            "the PyPI wheel tflite-micro as it reports: recording, with compression",
            LP64,
            "the wheel itself, live in the test suite",
            defines=frozenset({TF_LITE_STATIC_MEMORY, USE_TFLM_COMPRESSION, NDEBUG}),
            structs={"TfLiteFullyConnectedParams": (32, 8)},  # read off the wheel's machine code: a newer schema
            recording=True,
            tflm="0.dev20261023182759",
        ),
    )
}


def find_target(name: str) -> Target:
    """The target of that name, "esp32s3+esp-nn" or with a release "esp32s3+esp-nn@1.1.2", or in that TOML file.

    Raises UsageError, which tells the names, if there is none.
    """
    if name.endswith(".toml"):
        return target_from_toml(name)
    base, at, release = name.partition("@")
    if base not in TARGETS:
        raise UsageError(f"unknown target {base!r}; the targets are {', '.join(TARGETS)}")
    return TARGETS[base].with_release(release) if at else TARGETS[base]


def target_from_toml(path: str | os.PathLike[str]) -> Target:
    """A target of the user's own; docs/targets.md shows the file. Raises UsageError where it makes no sense."""
    place, stem, content = read_toml(path)
    table = content.get("target")
    if not isinstance(table, dict) or len(content) > 1:
        raise UsageError(f"{place}: it holds one table, [target]")
    try:
        return _own_target({"name": stem, **table})
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from None


def _own_target(fields: Mapping[str, Any]) -> Target:
    """The base target, changed field by field."""
    _check(fields, OWN_FIELDS)
    if "base" not in fields:
        raise UsageError("base is missing: the target that it is like")
    target = find_target(fields["base"])
    if "tflm" in fields:
        target = target.with_tflm(fields["tflm"])
    kernels = fields.get("kernels", target.kernels)
    if kernels not in LIBRARIES:
        raise UsageError(f"unknown kernels {kernels!r}; they are {', '.join(LIBRARIES)}")
    macros = (*fields.get("defines", ()), *fields.get("undefines", ()))
    if not all(isinstance(macro, str) for macro in macros):
        raise UsageError("defines and undefines are lists of macros")
    return replace(
        target,
        name=fields["name"],
        summary=fields.get("summary", f"like {target.name}"),
        verified="nothing: it is described by its user",
        abi=_own_abi(fields.get("abi", {}), target.abi),
        kernels=kernels,
        defines=target.defines - {*fields.get("undefines", ())} | {*fields.get("defines", ())},
        structs={**target.structs, **dict(_own_structs(fields.get("structs", {})))},
        recording=fields.get("recording", target.recording),
        resource_variables=fields.get("resource_variables", target.resource_variables),
        variables_elsewhere=fields.get("variables_elsewhere", target.variables_elsewhere),
        arenas=fields.get("arenas", target.arenas),
    )


def _own_abi(fields: Mapping[str, Any], base: Abi) -> Abi:
    _check(fields, ABI_FIELDS)
    for name, size in fields.items():
        if size not in (1, 2, 4, 8):
            raise UsageError(f"abi.{name}: {size}; it is 1, 2, 4 or 8 bytes")
    return replace(base, **fields)


def _own_structs(fields: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, int]]]:
    for name, value in fields.items():
        pair = isinstance(value, list) and len(value) == 2 and all(type(each) is int and each > 0 for each in value)
        if not pair or value[1] & (value[1] - 1):
            raise UsageError(f"structs.{name}: {value}; it is [size, alignment], the alignment a power of two")
        yield name, (value[0], value[1])


def _check(fields: Mapping[str, Any], known: Mapping[str, type]) -> None:
    """Every field is known, and of its type."""
    for name, value in fields.items():
        if name not in known:
            raise UsageError(f"unknown field {name!r}; the fields are {', '.join(known)}")
        if type(value) is not known[name] or (type(value) is int and value < 0):
            raise UsageError(f"{name}: {value!r} is not {TYPE_NAMES[known[name]]}")


OWN_FIELDS = {
    "base": str,
    "name": str,
    "summary": str,
    "tflm": str,
    "kernels": str,
    "abi": dict,
    "defines": list,
    "undefines": list,
    "structs": dict,
    "recording": bool,
    "resource_variables": int,
    "variables_elsewhere": bool,
    "arenas": int,
}
ABI_FIELDS = {"pointer": int, "enum": int, "align64": int}
TYPE_NAMES = {str: "a string", dict: "a table", list: "a list", bool: "true or false", int: "a number"}
