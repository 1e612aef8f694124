"""The machine that was measured on, as far as it matters for speed."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

FEATURES = ("sse4_1", "avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm")
PACKAGES = ("refinfer", "numpy", "numba", "llvmlite", "ai-edge-litert", "tflite-micro", "mcufit")


def facts() -> dict[str, Any]:
    """CPU, its features, the versions of all that takes part, and how busy the machine is."""
    return {
        "cpu": _cpu("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "features": sorted(set(FEATURES) & set((_cpu("flags") or _cpu("Features")).split())),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }


def summary(facts: dict[str, Any]) -> list[str]:
    """Two lines that say where and with what."""
    load = "" if facts["load"] is None else f", load {facts['load'][0]:.1f}"
    versions = [f"{name} {number}" for name, number in facts["versions"].items() if number]
    return [
        f"{facts['cpu']}, {facts['cores']} cores, {' '.join(facts['features'])}{load}",
        f"Python {facts['python']}, {', '.join(versions)}",
    ]


def _cpu(key: str) -> str:
    """What Linux says of the first CPU; nothing elsewhere."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
