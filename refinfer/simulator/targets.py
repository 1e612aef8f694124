"""The builds of TFLM that arenas are computed for. A target is data: add a row to add a build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from refinfer.kernels.cmsis_nn import SPEED
from refinfer.kernels.cmsis_nn_sizes import DSP, MVE
from refinfer.kernels.common import NDEBUG, USE_TFLM_COMPRESSION
from refinfer.kernels.layout import Abi, Build
from refinfer.simulator.structs import TF_LITE_STATIC_MEMORY

LP64 = Abi(pointer=8, enum=4)
ILP32 = Abi(pointer=4, enum=4)
ARM_EABI = Abi(pointer=4, enum=1)
I386 = Abi(pointer=4, enum=4, align64=4)

TFLM_COMMIT = "90b983c2b (2026-08-20)"


@dataclass(frozen=True, slots=True)
class Target:
    """One build of TFLM: who compiled it, how, and with which allocator the program uses it.

    `recording` programs use RecordingMicroAllocator and its larger objects. `resource_variables` is the number that
    the program passes to MicroResourceVariables::Create; None stands for as many as the model has, and none at all
    where it has none. `structs` overrides sizes where this build's sources differ from the declared members.
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
    tflm: str = TFLM_COMMIT

    @property
    def build(self) -> Build:
        """What kernels may know of this target."""
        return Build(self.abi, self.defines, self.structs, self.kernels)


_CMSIS_NN = frozenset({TF_LITE_STATIC_MEMORY, SPEED})
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
            "by its equality with cortex-m33-nodsp+cmsis-nn: the same ABI and the same C",
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
        Target("riscv32", "RISC-V, 32 bit (int-sized enums), reference kernels", ILP32, _SAME_ABI),
        Target("xtensa", "Xtensa: ESP32 and its like (int-sized enums), reference kernels", ILP32, _SAME_ABI),
        Target(
            "wasm32",
            "WebAssembly, 32 bit (int-sized enums), reference kernels",
            ILP32,
            "the arenas that a recording wasm32 build with 100 resource variables reported",
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
