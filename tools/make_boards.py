"""Makes refinfer/fitting/boards.json from what sources say: data/board-records.json, and what was looked up since.

A figure is taken only if a statement of a source says it; what nobody says becomes null. Run it from anywhere:

    python tools/make_boards.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RECORDS = Path(__file__).parent / "data" / "board-records.json"
TABLE = Path(__file__).parents[1] / "refinfer" / "fitting" / "boards.json"

RAM, BLOCK, FLASH, PSRAM = "ram", "ram_block", "flash", "psram"
FIGURES = {  # a figure of the table, and the field of a record that tells which statement to believe
    RAM: "sram_total_bytes",
    BLOCK: "largest_contiguous_ram_bytes",
    FLASH: "flash_bytes",
    PSRAM: "psram_or_sdram_bytes",
}

Row = list[Any]  # of the table: [figure, bytes, source, place]

READ = "2026-11-24"
SOURCES = {
    "mcufit": ("mcufit 0.5.2", "https://pypi.org/project/mcufit/0.5.2/"),
    "shrinkray": ("shrinkray-cli 0.1.0", "https://pypi.org/project/shrinkray-cli/0.1.0/"),
    "tinyml-deployer": ("tinyml-deployer 0.1.0", "https://pypi.org/project/tinyml-deployer/0.1.0/"),
    "platformio-atmelavr": ("PlatformIO atmelavr@97b4fe5", "https://github.com/platformio/platform-atmelavr"),
    "platformio-atmelsam": ("PlatformIO atmelsam@1c15f3a", "https://github.com/platformio/platform-atmelsam"),
    "platformio-espressif32": ("PlatformIO espressif32@4ed1943", "https://github.com/platformio/platform-espressif32"),
    "platformio-espressif8266": (
        "PlatformIO espressif8266@87fdc0f",
        "https://github.com/platformio/platform-espressif8266",
    ),
    "platformio-pioarduino-esp32": (
        "PlatformIO pioarduino-esp32@dd01e49e",
        "https://github.com/pioarduino/platform-espressif32",
    ),
    "platformio-nordicnrf52": ("PlatformIO nordicnrf52@2f3649d", "https://github.com/platformio/platform-nordicnrf52"),
    "platformio-raspberrypi": ("PlatformIO raspberrypi@1275ac5", "https://github.com/platformio/platform-raspberrypi"),
    "platformio-maxg-raspberrypi": (
        "PlatformIO maxg-raspberrypi@2d44502",
        "https://github.com/maxgerhardt/platform-raspberrypi",
    ),
    "platformio-renesas-ra": ("PlatformIO renesas-ra@7a2c1bc", "https://github.com/platformio/platform-renesas-ra"),
    "platformio-ststm32": ("PlatformIO ststm32@018acc3", "https://github.com/platformio/platform-ststm32"),
    "platformio-teensy": ("PlatformIO teensy@66da50c", "https://github.com/platformio/platform-teensy"),
    "zephyr": ("Zephyr", "https://github.com/zephyrproject-rtos/zephyr"),
    "micropython": ("MicroPython 1c3c201149", "https://github.com/micropython/micropython"),
    "micropython-issues": ("MicroPython issues", "https://github.com/micropython/micropython/issues"),
    "esp-idf": ("ESP-IDF", "https://github.com/espressif/esp-idf"),
    "arduino-esp8266": ("Arduino core for ESP8266", "https://github.com/esp8266/Arduino"),
    "tensorflow": ("TensorFlow issues", "https://github.com/tensorflow/tensorflow"),
    "hx-esp32-cam-fpv": ("hx-esp32-cam-fpv issues", "https://github.com/RomanLut/hx-esp32-cam-fpv"),
}

TARGETS = (  # how a core's name starts, and the builds of TFLM that people make for it: first the reference kernels
    ("cortex-m0", ("cortex-m0", "cortex-m0+cmsis-nn")),
    ("cortex-m33", ("cortex-m4", "cortex-m4+cmsis-nn")),  # those of all chips below have the DSP extension
    ("cortex-m3", ("cortex-m4", "cortex-m33-nodsp+cmsis-nn")),
    ("cortex-m55", ("cortex-m4", "cortex-m55+cmsis-nn")),
    ("cortex-m85", ("cortex-m4", "cortex-m55+cmsis-nn")),
    ("cortex-m", ("cortex-m4", "cortex-m4+cmsis-nn")),
    ("xtensa-l106", ("xtensa",)),
    ("xtensa-lx7-s3", ("xtensa", "esp32s3+esp-nn")),
    ("xtensa", ("xtensa", "esp32+esp-nn")),
    ("riscv-imafc-p4", ("riscv32", "esp32p4+esp-nn")),
    ("riscv", ("riscv32", "esp32+esp-nn")),
)
MBED_CORE = {"nano33ble", "nicla_sense_me", "xiao_nrf52840"}  # Cortex-M4 with an Arduino core that is made of Mbed OS
NO_TFLM = {"avr": "TFLM needs a 32-bit platform, and AVR is an 8-bit one"}

CHIPS: dict[str, list[Row]] = {  # what is true of every board with that chip; a key is how the chip's name starts
    "nRF52840": [
        [RAM, 262144, "zephyr", "dts/arm/nordic/nrf52840_qiaa.dtsi@06758ff2"],
        [BLOCK, 262144, "zephyr", "dts/arm/nordic/nrf52840_qiaa.dtsi@06758ff2"],
        [FLASH, 1048576, "zephyr", "dts/arm/nordic/nrf52840_qiaa.dtsi@06758ff2"],
    ],
    "nRF52832": [
        [RAM, 65536, "mcufit", "boards.yaml: nrf52832"],
        [BLOCK, 65536, "micropython", "ports/nrf/boards/nrf52832_512k_64k.ld"],
        [FLASH, 524288, "mcufit", "boards.yaml: nrf52832"],
    ],
    "nRF54L15": [
        [RAM, 262144, "zephyr", "dts/vendor/nordic/nrf54l15.dtsi@51b87a5d: 188 + 68 KB"],
        [FLASH, 1560576, "zephyr", "dts/vendor/nordic/nrf54l15.dtsi@51b87a5d: 1428 + 96 KB"],
    ],
    "SAMD21": [[BLOCK, 32768, "micropython", "ports/samd/boards/samd21x18a.ld"]],
    "SAMD51": [[BLOCK, 196608, "micropython", "ports/samd/boards/samd51x19a.ld"]],
    "RP2040": [
        [BLOCK, 270336, "zephyr", "dts/arm/raspberrypi/rpi_pico/rp2040.dtsi"],
    ],
    "ESP32": [
        [BLOCK, 180736, "esp-idf", "components/esp_system/ld/esp32/memory.ld.in: dram0_0_seg"],
        [BLOCK, 163840, "esp-idf", "docs/en/api-guides/memory-types.rst: static at most"],
    ],
    "ESP32-S2": [
        [BLOCK, 180224, "esp-idf", "components/esp_system/ld/esp32s2/memory.ld.in@031af815: caches of 8 + 8 KB"],
    ],
    "ESP32-S3": [[BLOCK, 341760, "esp-idf", "components/esp_system/ld/esp32s3/memory.ld.in: D/IRAM"]],
    "ESP32-C2": [[BLOCK, 191344, "esp-idf", "components/esp_system/ld/esp32c2/memory.ld.in@6f1f41ff: dram0_0_seg"]],
    "ESP32-C3": [
        [RAM, 409600, "mcufit", "boards.yaml: esp32-c3"],
        [BLOCK, 327680, "esp-idf", "components/esp_system/ld/esp32c3/memory.ld.in: DRAM"],
    ],
    "ESP32-C6": [[BLOCK, 451088, "esp-idf", "components/esp_system/ld/esp32c6/memory.ld.in: sram_seg"]],
    "ESP32-H2": [[BLOCK, 258000, "esp-idf", "components/esp_system/ld/esp32h2/memory.ld.in@0f549fa1: sram_seg"]],
    "ESP32-P4": [
        [BLOCK, 585664, "esp-idf", "components/esp_system/ld/esp32p4/memory.ld.in: rev 3, L2 cache of 128 KB"],
    ],
    "ESP8266": [
        [BLOCK, 81920, "arduino-esp8266", "tools/sdk/ld/eagle.flash.4m.ld@01a916ef: dram0_0_seg"],
        [FLASH, 1044464, "arduino-esp8266", "tools/sdk/ld/eagle.flash.4m.ld@01a916ef: what is mapped"],
    ],
    "STM32L47": [[RAM, 131072, "micropython", "ports/stm32/boards/stm32l476xg.ld: regions added"]],
    "STM32H747": [
        [RAM, 1048576, "mcufit", "boards.yaml: portenta-h7"],
        [BLOCK, 524288, "micropython", "ports/stm32/boards/stm32h743.ld: RAM"],
        [FLASH, 2097152, "mcufit", "boards.yaml: portenta-h7"],
    ],
    "STM32U585": [[RAM, 802816, "micropython", "ports/stm32/boards/stm32u585xi.ld: RAM + SRAM4"]],
    "STM32WB55": [
        [FLASH, 1048576, "zephyr", "dts/arm/st/wb/stm32wb55Xg.dtsi@28cc3ce1: physical"],
        [FLASH, 897024, "zephyr", "dts/arm/st/wb/stm32wb55Xg.dtsi@28cc3ce1: beside the radio's firmware"],
    ],
    "MIMXRT1062": [
        [RAM, 1048576, "zephyr", "dts/arm/nxp/nxp_rt1060.dtsi@0225b4db: OCRAM2 + 16 FlexRAM banks"],
        [BLOCK, 524288, "zephyr", "dts/arm/nxp/nxp_rt1060.dtsi@0225b4db: OCRAM2"],
    ],
    "MK64FN1M0": [[RAM, 262144, "zephyr", "dts/arm/nxp/nxp_k6x.dtsi@0183d022: SRAM_L + SRAM_U"]],
    "LPC55S69": [
        [RAM, 327680, "zephyr", "dts/arm/nxp/nxp_lpc55S6x_common.dtsi@05ddd1f0"],
        [BLOCK, 278528, "zephyr", "dts/arm/nxp/nxp_lpc55S6x_common.dtsi@05ddd1f0: SRAM0 to SRAM4"],
        [FLASH, 645120, "zephyr", "dts/arm/nxp/nxp_lpc55S6x_common.dtsi@05ddd1f0: usable"],
    ],
    "MAX78000": [
        [RAM, 131072, "zephyr", "dts/arm/adi/max32/max78000.dtsi@0d020be3: SRAM0 to SRAM3"],
        [BLOCK, 131072, "zephyr", "dts/arm/adi/max32/max78000.dtsi@0d020be3: SRAM0 to SRAM3 are adjacent"],
    ],
    "RA6M5": [
        [RAM, 524288, "zephyr", "dts/arm/renesas/ra/ra6/r7fa6m5xh.dtsi@01c808e7"],
        [BLOCK, 524288, "zephyr", "dts/arm/renesas/ra/ra6/r7fa6m5xh.dtsi@01c808e7"],
    ],
}
EXACT_CHIPS = {"ESP32", "ESP32-S2", "ESP32-S3", "ESP32-C2", "ESP32-C3", "ESP32-C6", "ESP32-H2", "ESP32-P4"}
"""Chips whose names start another's: a board has them only with these suffixes."""
SUFFIXES = ("", "-D0WDQ6-V3", "R8")

TAKEN = {  # where what was looked up corrects or completes a record
    "nano_rp2040_connect": {FLASH: 2097152},
    "esp32s2": {BLOCK: 180224},
    "esp32c2": {BLOCK: 191344},
    "esp32h2": {BLOCK: 258000},
    "esp8266": {BLOCK: 81920},
    "lpcxpresso55s69": {BLOCK: 278528, FLASH: 645120},
    "max78000": {BLOCK: 131072},
    "apollo4p_evb": {FLASH: 1998848},
}

CHIP_REGIONS: dict[str, list[Row]] = {  # by chip, as CHIPS: [name, origin, bytes, source, place]
    chip: [[name, origin, 1024 * kilobytes, "zephyr", place] for name, origin, kilobytes in banks]
    for chip, place, banks in (
        (
            "STM32H743",
            "dts/arm/st/h7/stm32h743.dtsi@0761962b",
            (
                ("AXI SRAM", "0x24000000", 512),
                ("SRAM1", "0x30000000", 128),
                ("SRAM2", "0x30020000", 128),
                ("SRAM3", "0x30040000", 32),
                ("SRAM4", "0x38000000", 64),
                ("DTCM", "0x20000000", 128),
            ),
        ),
        (
            "MK64FN1M0",
            "dts/arm/nxp/nxp_k6x.dtsi@0183d022",
            (("SRAM_L", "0x1fff0000", 64), ("SRAM_U", "0x20000000", 192)),
        ),
        (
            "LPC55S69",
            "dts/arm/nxp/nxp_lpc55S6x_common.dtsi@05ddd1f0",
            (
                ("SRAMX", "0x04000000", 32),
                ("SRAM0", "0x20000000", 64),
                ("SRAM1", "0x20010000", 64),
                ("SRAM2", "0x20020000", 64),
                ("SRAM3", "0x20030000", 64),
                ("SRAM4", "0x20040000", 16),
            ),
        ),
        (
            "MAX78000",
            "dts/arm/adi/max32/max78000.dtsi@0d020be3",
            (
                ("SRAM0", "0x20000000", 32),
                ("SRAM1", "0x20008000", 32),
                ("SRAM2", "0x20010000", 48),
                ("SRAM3", "0x2001c000", 16),
            ),
        ),
    )
}

NOTES = {
    "nano_rp2040_connect": "as Pico; both sources count 2 MB of flash, the chip beside it may hold more",
    "esp32s2": "ESP-IDF esp32s2/memory.ld.in with its default caches (8 + 8 KB); code in RAM shares the block",
    "esp32c2": "ESP-IDF esp32c2/memory.ld.in: one block, shared with code in RAM",
    "esp32h2": "ESP-IDF esp32h2/memory.ld.in: one block, code and data together",
    "esp8266": (
        "80 KB of data RAM, which the SDK shares; no TFLM release names the ESP8266, but the Sming framework ran "
        "TFLM's Arduino library on it in 2020 (SmingHub/Sming#2063)"
    ),
    "lpcxpresso55s69": "SRAM0 to SRAM4 adjacent from 0x20000000; Zephyr gives its first core 64 KB of them",
    "max78000": "four banks adjacent from 0x20000000; Zephyr exposes the third, 48 KB",
    "mimxrt1060_evk": (
        "512 KB FlexRAM + 512 KB OCRAM2; what of FlexRAM is set up as OCRAM lies right behind OCRAM2; "
        "Zephyr's 32 MB are the board's SDRAM"
    ),
    "nucleo_n657x0": (
        "4.2 MB in several banks; Zephyr uses 1 MB, MicroPython 512 KB; the chip has no flash of its own to run from"
    ),
    "frdm_mcxn947": "Zephyr gives the first core 320 KB",
}

ESP32_STATIC = "docs/en/api-guides/memory-types.rst"
ESP32_FIRMWARE: list[Row] = [
    [
        "esp-idf",
        163840,
        "at most",
        "esp-idf",
        ESP32_STATIC,
        "what may be static; mcufit-bench ran with such an arena and had 161,252 bytes of heap left (v5.5)",
    ],
    [
        "esp-idf-wifi",
        163840,
        "at most",
        "esp-idf",
        ESP32_STATIC,
        "what may be static; an example with Wi-Fi up had 237,364 bytes of heap in all "
        "(2019, laitimes.com/zh/article/5uoz2_6b48v.html), and a static arena comes out of them; "
        "Bluetooth takes 64 KB",
    ],
    [
        "arduino",
        97280,
        "at least",
        "tensorflow",
        "#37628",
        "about 95 KB: the largest block that malloc gave; a static array was not tried",
    ],
]
FIRMWARE: dict[str, list[Row]] = {  # by chip, as CHIPS: [kind, bytes, bound, source, place, note]
    "ESP32": ESP32_FIRMWARE,
    "ESP32-S3": [
        [
            "esp-idf",
            196608,
            "at least",
            "hx-esp32-cam-fpv",
            "#46",
            "the largest free block at the start of a build with PSRAM",
        ],
    ],
}
MICROPYTHON: dict[str, Row] = {  # by chip: [bytes, bound, place, note]; for STM32 its linker scripts tell
    "ESP32": [
        134544,
        "at most",
        "#18859",
        "v1.27: what gc.mem_free() said, over all areas; ESP-IDF's own heap had 94,256 left, 53,248 in one block",
    ],
    "ESP32-S2": [125360, "at most", "#7214", "2021: free Python heap; ESP-IDF's own had 51,976 left"],
    "ESP32-S3": [188352, "at least", "#12141", "the largest area by which the heap of 64,000 bytes could grow"],
    "nRF52840": [131072, "at least", "ports/nrf/boards/nrf52840_1M_256k.ld", "the heap, or it does not link"],
    "nRF52832": [32768, "at least", "ports/nrf/boards/nrf52832_512k_64k.ld", "the heap, or it does not link"],
    "RP2040": [
        32768,
        "at least",
        "ports/rp2/memmap_rp2040/section_extra_post_platform_end.incl",
        "the heap, or it does not link; it takes all that is left",
    ],
}
HEAP_OUT_OF_REGION = "the region of the linker script; the heap comes out of it"


def main() -> None:
    """Write the table."""
    TABLE.write_text(table())


def table() -> str:
    """The text of the table."""
    records = json.loads(RECORDS.read_text())["boards"]
    boards = [board(record) for record in records]
    used = {row[2] for each in boards for row in each["statements"]}
    used |= {row[3] for each in boards for row in each["regions"] + each["firmware"]}
    sources = {key: [*source, READ] for key, source in SOURCES.items() if key in used}
    return layout({"schema": 1, "sources": sources, "boards": boards})


def board(record: dict[str, Any]) -> dict[str, Any]:
    """A row of the table."""
    core, statements = record["core"], statements_about(record)
    taken = {figure: choose(figure, record, statements) for figure in FIGURES}
    return {
        **{key: record[key] for key in ("id", "name", "vendor", "mcu", "core")},
        "targets": targets(record),
        "no_tflm": NO_TFLM.get(core, ""),
        **taken,
        "note": NOTES.get(record["id"], record["ram_note"]),
        "statements": statements,
        "regions": list(regions(record)),
        "firmware": list(firmware(record, taken[BLOCK])),
    }


def choose(figure: str, record: dict[str, Any], statements: list[Row]) -> int | None:
    """What the record holds for true, if somebody says it."""
    wanted: int | None = TAKEN.get(record["id"], {}).get(figure, record[FIGURES[figure]])
    said = [nbytes for name, nbytes, *_ in statements if name == figure]
    return wanted if wanted in said else None


def targets(record: dict[str, Any]) -> list[str]:
    """The builds of TFLM that the board may run."""
    if record["core"] in NO_TFLM:
        return []
    of_core = next(targets for start, targets in TARGETS if record["core"].startswith(start))
    return [*of_core, *(["nano33ble-arduino"] if record["id"] in MBED_CORE else [])]


def statements_about(record: dict[str, Any]) -> list[Row]:
    """Everything that is said about a board's figures, without repeating a place."""
    rows = [row for source in sourced(record) for row in read(*source, total=record["sram_total_bytes"])]
    rows += of_chip(CHIPS, record["mcu"], [])
    return [row for i, row in enumerate(rows) if row not in rows[:i]]


def sourced(record: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """A record's sources as (id, place, what it says)."""
    for name, said in record["sources"].items():
        if isinstance(said, dict):  # the rest is a remark about the processor
            yield *where(name), said


def where(name: str) -> tuple[str, str]:
    """A record's name of a source as the source's id and the place in it."""
    for key, (start, _) in SOURCES.items():
        if name.startswith(f"{start} "):
            return key, name.removeprefix(f"{start} ").replace(":", ": ", 1)
    raise ValueError(f"{name!r} starts with none of the names in SOURCES")


def read(source: str, place: str, said: dict[str, Any], *, total: int) -> Iterator[Row]:
    """The statements of one source. Builds know a block; the whole RAM they know only where it is all one block."""
    for figure, key, unit in (
        (RAM, "sram", 1),
        (RAM, "ram", 1),
        (BLOCK, "maximum_ram_size", 1),
        (BLOCK, "ram_kb", 1024),
        (FLASH, "flash", 1),
        (FLASH, "maximum_size", 1),
        (FLASH, "flash_kb", 1024),
        (PSRAM, "psram", 1),
    ):
        if said.get(key) is not None:
            yield [figure, said[key] * unit, source, place]
            if figure == BLOCK and said[key] * unit == total:
                yield [RAM, total, source, place]
    if "regions" in said:
        largest = max(said["regions"], key=lambda region: region["bytes"])
        yield [BLOCK, largest["bytes"], source, f"{place}: {largest['name']}"]


def regions(record: dict[str, Any]) -> Iterator[Row]:
    """The memory regions that a board's linker scripts and its chip's device tree name."""
    yield from of_chip(CHIP_REGIONS, record["mcu"], [])
    for source, place, said in sourced(record):
        for region in said.get("regions", ()):
            yield [region["name"], region["origin"], region["bytes"], source, place]


def firmware(record: dict[str, Any], block: int | None) -> Iterator[Row]:
    """What firmware leaves on a board: what is known of its chip, and what builds for it have."""
    yield from of_chip(FIRMWARE, record["mcu"], [])
    largest: dict[str, tuple[int, str, str]] = {}  # by kind: the source's largest figure below or at the block
    for source, place, said in sourced(record):
        arduino = source.startswith("platformio-") and "esp" not in source
        if arduino and block is not None and said["maximum_ram_size"] < block:
            largest.setdefault("arduino", (said["maximum_ram_size"], source, place))
        if source == "zephyr" and block is not None and 1024 * said["ram_kb"] <= block:
            largest.setdefault("zephyr", (1024 * said["ram_kb"], source, place))
    for kind, (nbytes, source, place) in largest.items():
        yield [kind, nbytes, "at most", source, place, "what a build has; its own data comes out of it"]
    for nbytes, bound, place, note in micropython(record):
        source = "micropython-issues" if place.startswith("#") else "micropython"
        for kind in ("micropython-flash", "micropython-heap"):
            yield [kind, nbytes, bound, source, place, note]


def micropython(record: dict[str, Any]) -> Iterator[Row]:
    """What MicroPython leaves: [bytes, bound, place, note]."""
    known: Row | None = of_chip(MICROPYTHON, record["mcu"], None)
    if known is not None:
        yield known
    for source, place, said in sourced(record):
        if source == "micropython":
            largest = max(region["bytes"] for region in said["regions"])
            yield [largest, "at most", place, HEAP_OUT_OF_REGION]


def of_chip(facts: dict[str, Any], mcu: str, default: Any) -> Any:
    """The row for a chip: its name starts with the key, and where that is ambiguous, goes on as SUFFIXES say."""
    for key, value in facts.items():
        if mcu.startswith(key) and (key not in EXACT_CHIPS or mcu.removeprefix(key) in SUFFIXES):
            return value
    return default


def layout(value: dict[str, Any]) -> str:
    """JSON with a line for each field, statement, region and profile, so that a diff shows the figure that changed."""
    sources = ",\n".join(f"  {dumps(key)}: {dumps(source)}" for key, source in value["sources"].items())
    boards = ",\n".join(f"  {{\n{fields(each)}\n  }}" for each in value["boards"])
    return f'{{\n "schema": {value["schema"]},\n "sources": {{\n{sources}\n }},\n "boards": [\n{boards}\n ]\n}}\n'


def fields(row: dict[str, Any]) -> str:
    """The fields of a board, one a line."""
    lines = []
    for key, value in row.items():
        if isinstance(value, list) and value and isinstance(value[0], list):
            items = ",\n".join(f"    {dumps(item)}" for item in value)
            lines.append(f"   {dumps(key)}: [\n{items}\n   ]")
        else:
            lines.append(f"   {dumps(key)}: {dumps(value)}")
    return ",\n".join(lines)


def dumps(value: Any) -> str:
    """JSON on one line."""
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    main()
