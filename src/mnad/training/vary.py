"""Windows of training as the camera would give them in another light, and with more noise.

What a network learns of one afternoon's light holds for that light: its features, and with them the
distance to the memory, move with the level of the picture. Here each window has a level, and a
noise, of its own.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class Vary:
    """Varies the windows of each step alike whenever that step is taken.

    Args:
        light: grey levels are multiplied by 1 - `light` to 1 + `light`.
        noise: standard deviation of the input's Gaussian noise, in grey levels of 0..255: 0 to so
            much. The target has none, so that noise is learnt not to be predicted.
        seed: of the training.
        device: of the windows.
    """

    def __init__(self, light: float, noise: float, seed: int, device: torch.device) -> None:
        self.light, self.noise, self.seed = light, noise, seed
        self._generator = torch.Generator(device)

    def __call__(self, inputs: Tensor, target: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Input (B, frames_in * c, H, W) and target (B, c, H, W), both in -1..1, of `step`."""
        if not (self.light or self.noise):
            return inputs, target
        # Of a seed, a generator on the CPU looks at 32 bits only.
        seed = np.random.SeedSequence((self.seed, step)).generate_state(1)[0]
        draws = self._generator.manual_seed(int(seed))
        alike = torch.empty((2, len(inputs), 1, 1, 1), device=inputs.device, dtype=inputs.dtype)
        light, noise = alike.uniform_(generator=draws)
        gain = 1 + self.light * (2 * light - 1)
        lit, seen = ((x + 1) * gain - 1 for x in (inputs, target))
        if self.noise:
            deviation = noise * (self.noise * 2 / 255)
            lit = lit + deviation * torch.empty_like(inputs).normal_(generator=draws)
        return lit.clamp(-1, 1), seen.clamp(-1, 1)
