"""What a frame costs, counted from the layers."""

from __future__ import annotations

from mnad.config import NetworkConfig


def macs(config: NetworkConfig) -> int:
    """Multiplications with additions that the network takes for one frame.

    Counted are the convolutions and the two products of the memory read; batch normalisation,
    activations and the score are less than a hundredth of that.
    """
    a, b, c, d = config.stages
    area = config.height * config.image_width

    def conv(inputs: int, outputs: int, shrunk: int) -> int:
        """A 3x3 convolution on maps of 1 / `shrunk` of the frame's side; of a transposed one it
        is the side of the maps that go in.
        """
        return 9 * inputs * outputs * area // shrunk**2

    encoder = (
        conv(config.frames_in * config.channels, a, 1)
        + conv(a, a, 1)
        + conv(a, b, 2)
        + conv(b, b, 2)
        + conv(b, c, 4)
        + conv(c, c, 4)
        + conv(c, d, 8)
        + conv(d, d, 8)
    )
    up1, up2, up3 = (1 if skip else 2 for skip in config.skips)
    decoder = (
        conv(config.decoder_channels, d, 8)
        + conv(d, d, 8)
        + conv(d, up3 * c, 8)
        + conv(2 * c, c, 4)
        + conv(c, c, 4)
        + conv(c, up2 * b, 4)
        + conv(2 * b, b, 2)
        + conv(b, b, 2)
        + conv(b, up1 * a, 2)
        + conv(2 * a, a, 1)
        + conv(a, a, 1)
        + conv(a, config.channels, 1)
    )
    memory = 2 * (area // 64) * d * config.items if config.memory else 0
    return encoder + decoder + memory


def gflop(config: NetworkConfig) -> float:
    """GFLOP per frame: a multiplication and an addition are two."""
    return 2 * macs(config) / 1e9
