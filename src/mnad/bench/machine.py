"""What was measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("mnad", "torch", "openvino", "nncf", "ncnn", "onnxruntime", "onnx", "av", "numpy")
FLAGS = (
    *("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16"),
    *("amx_tile", "amx_int8", "amx_bf16", "asimddp", "i8mm", "bf16"),
)
"""Of a CPU, those that decide how fast it multiplies; the last ones are of ARM."""


def machine() -> dict[str, Any]:
    """CPU, cores, flags and memory, as far as the system says them."""
    told = cpu_facts(_read("/proc/cpuinfo"))
    memory = _kib(_read("/proc/meminfo"), "MemTotal")
    return {
        "cpu": told["cpu"] or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "flags": told["flags"],
        "memory_gib": None if memory is None else round(memory / 2**20, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def cpu_facts(cpuinfo: str) -> dict[str, Any]:
    """Model and flags that the text of ``/proc/cpuinfo`` names."""
    facts: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            facts.setdefault(name.strip(), value.strip())
    words = facts.get("flags", facts.get("Features", "")).split()
    return {"cpu": facts.get("model name", ""), "flags": [flag for flag in FLAGS if flag in words]}


def versions() -> dict[str, str]:
    """Versions of what computes, of those packages that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def available_mib() -> float | None:
    """Memory that processes may still take, or None where the system does not say."""
    kib = _kib(_read("/proc/meminfo"), "MemAvailable")
    return None if kib is None else kib / 1024


def peak_mib() -> float | None:
    """The most memory that this process ever had resident, or None where it is not told."""
    # Not getrusage, where there is another way: it counts the process that this one came from.
    kib = _kib(_read("/proc/self/status"), "VmHWM")
    if kib is None:
        if platform.system() == "Windows":
            return None
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        kib = most / 1024 if platform.system() == "Darwin" else most
    return round(kib / 1024, 1)


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _kib(text: str, name: str) -> float | None:
    for line in text.splitlines():
        if line.startswith(f"{name}:"):
            return float(line.split()[1])
    return None
