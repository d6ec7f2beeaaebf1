"""Whether a device computes in bf16 itself; where it does not, bf16 is many times slower."""

from __future__ import annotations

import torch


def computes_bf16(device: torch.device) -> bool:
    """Whether bf16 is worth it on `device`: a CUDA GPU, or a CPU that says so."""
    if device.type == "cuda":
        return True
    try:
        with open("/proc/cpuinfo") as file:
            flags = file.read()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
