"""Whether a device computes in bf16 itself; where it does not, bf16 is many times slower."""

from __future__ import annotations

import torch

from mnad.config import Precision


def takes_bf16(precision: Precision, device: torch.device) -> bool:
    """Whether a training is in bf16: where it is wanted, or left open on a GPU that computes it."""
    if precision == "auto":
        return device.type == "cuda" and computes_bf16(device)
    return precision == "bf16"


def computes_bf16(device: torch.device) -> bool:
    """Whether bf16 is worth it on `device`: a GPU, or a CPU, that computes it and says so.

    CUDA GPUs before Ampere (as the T4) hold numbers in bf16 but have no convolutions of them.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        with open("/proc/cpuinfo") as file:
            flags = file.read()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
