"""Encoder and decoder of MNAD (section 3.1.1 of the paper; layer table of the public code).

Every convolution of the paper is 3x3 with bias. The last one of the encoder is bare: batch
normalisation and ReLU would cut the negative values off and narrow the features that the memory
compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Layers(NamedTuple):
    """What the layers are made of; the paper's by default.

    Attributes:
        separable: a 3x3 convolution is one within each channel and a 1x1 one across them: an eighth
            of the arithmetic. The first and the last layer stay whole.
        nearest: the map is doubled by repetition, after a 1x1 convolution, instead of by a
            transposed convolution, which takes CPUs long.
        reflect: beyond the border lies the mirror image and not zeros, by which a network knows
            how far the border is. Transposed convolutions keep their zeros.
    """

    separable: bool = False
    nearest: bool = False
    reflect: bool = False

    def whole(self, inputs: int, outputs: int) -> nn.Conv2d:
        """A 3x3 convolution that is never separable."""
        return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode=self._padding)

    def bare(self, inputs: int, outputs: int) -> list[nn.Module]:
        """A convolution alone."""
        if not self.separable:
            return [self.whole(inputs, outputs)]
        within = nn.Conv2d(
            inputs, inputs, 3, padding=1, groups=inputs, bias=False, padding_mode=self._padding
        )
        return [within, nn.Conv2d(inputs, outputs, 1)]

    @property
    def _padding(self) -> Literal["zeros", "reflect"]:
        return "reflect" if self.reflect else "zeros"

    def double(self, inputs: int, outputs: int) -> nn.Sequential:
        """Two convolutions, each with its normalisation and ReLU."""
        return nn.Sequential(
            *self.bare(inputs, outputs),
            *_normal(outputs),
            *self.bare(outputs, outputs),
            *_normal(outputs),
        )

    def up(self, inputs: int, outputs: int) -> nn.Sequential:
        """(B, inputs, h, w) to (B, outputs, 2h, 2w)."""
        if self.nearest:
            return nn.Sequential(
                nn.Conv2d(inputs, outputs, 1), *_normal(outputs), nn.Upsample(scale_factor=2)
            )
        return nn.Sequential(
            nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1),
            *_normal(outputs),
        )


PAPER = Layers()


def _normal(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]


class Encoder(nn.Module):
    """Frames to a query map at an eighth of their size.

    Args:
        inputs: channels of the stacked input frames.
        stages: channels at 1, 1/2, 1/4 and 1/8 of the input size.
        layers: what they are made of.
        deepest: without it there is no fourth stage.
    """

    def __init__(
        self, inputs: int, stages: Sequence[int], layers: Layers = PAPER, deepest: bool = True
    ) -> None:
        super().__init__()
        a, b, c, d = stages
        first = layers.whole(inputs, a)  # few channels in: nothing to separate
        self.stage1 = nn.Sequential(first, *_normal(a), *layers.bare(a, a), *_normal(a))
        self.stage2 = layers.double(a, b)
        self.stage3 = layers.double(b, c)
        self.stage4 = None
        if deepest:
            self.stage4 = nn.Sequential(*layers.bare(c, d), *_normal(d), *layers.bare(d, d))

    def forward(self, x: Tensor) -> tuple[Tensor | None, tuple[Tensor, Tensor, Tensor]]:
        """Map (B, inputs, H, W) to (B, d, H/8, W/8) and the maps of the first three stages."""
        x1 = self.stage1(x)  # (B, a, H, W)
        x2 = self.stage2(F.max_pool2d(x1, 2))  # (B, b, H/2, W/2)
        x3 = self.stage3(F.max_pool2d(x2, 2))  # (B, c, H/4, W/4)
        feature = None if self.stage4 is None else self.stage4(F.max_pool2d(x3, 2))
        return feature, (x1, x2, x3)


class Decoder(nn.Module):
    """A feature map back to a frame in -1..1.

    Args:
        inputs: channels of the feature map (2d with queries and aggregates, else d).
        stages: the encoder's channels (a, b, c, d).
        outputs: channels of the frame.
        skips: whether the map of stage 1, 2 and 3 is concatenated (skip first). Without it the
            up-convolution keeps its channels, so that all other layers are the same.
        layers: what they are made of.
        constant: rows and columns of a learnt map, at a quarter of the frame's size, that takes the
            place of what comes from below; None where the feature map comes.
    """

    def __init__(
        self,
        inputs: int,
        stages: Sequence[int],
        outputs: int,
        skips: tuple[bool, bool, bool],
        layers: Layers = PAPER,
        constant: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        a, b, c, d = stages
        self.skips = skips
        wide1, wide2, wide3 = (1 if skip else 2 for skip in skips)
        self.constant = None
        if constant is None:
            self.stage4 = layers.double(inputs, d)
            self.up4 = layers.up(d, wide3 * c)
        else:
            self.constant = nn.Parameter(torch.zeros(1, wide3 * c, *constant))
        self.stage3 = layers.double(2 * c, c)
        self.up3 = layers.up(c, wide2 * b)
        self.stage2 = layers.double(2 * b, b)
        self.up2 = layers.up(b, wide1 * a)
        self.out = nn.Sequential(layers.double(2 * a, a), layers.whole(a, outputs), nn.Tanh())

    def forward(self, x: Tensor | None, maps: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Map (B, inputs, H/8, W/8) and the encoder's maps to (B, outputs, H, W).

        With a constant map, `x` is not looked at.
        """
        x1, x2, x3 = maps
        skip1, skip2, skip3 = self.skips
        if self.constant is None:
            below = self.up4(self.stage4(x))
        else:
            below = self.constant.expand(x3.shape[0], -1, -1, -1)
        x = _join(x3 if skip3 else None, below)  # (B, 2c, H/4, W/4)
        x = _join(x2 if skip2 else None, self.up3(self.stage3(x)))  # (B, 2b, H/2, W/2)
        x = _join(x1 if skip1 else None, self.up2(self.stage2(x)))  # (B, 2a, H, W)
        frame: Tensor = self.out(x)
        return frame


def _join(skip: Tensor | None, x: Tensor) -> Tensor:
    return x if skip is None else torch.cat([skip, x], dim=1)
