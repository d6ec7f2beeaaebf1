"""bf16 is taken by itself only where it is computed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from mnad.training.precision import computes_bf16, takes_bf16

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(("major", "able"), [(7, False), (8, True), (9, True)])
def test_a_gpu_before_ampere_trains_in_fp32_unless_told(
    monkeypatch: pytest.MonkeyPatch, major: int, able: bool
) -> None:
    """A T4 (7.5) holds bf16, so torch says that it has it; cuDNN has no such convolutions there."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 0)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: SimpleNamespace(major=major))
    assert computes_bf16(CUDA) == takes_bf16("auto", CUDA) == able
    assert takes_bf16("bf16", CUDA) and not takes_bf16("fp32", CUDA)


def test_a_cpu_trains_in_fp32_unless_told() -> None:
    assert not takes_bf16("auto", CPU) and takes_bf16("bf16", CPU)
