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

    def whole(inputs: int, outputs: int, shrunk: int) -> int:
        """A 3x3 convolution on maps of 1 / `shrunk` of the frame's side."""
        return 9 * inputs * outputs * area // shrunk**2

    def conv(inputs: int, outputs: int, shrunk: int) -> int:
        """The same of the network's kind, within each channel and then across them."""
        if config.convolution == "full":
            return whole(inputs, outputs, shrunk)
        return inputs * (9 + outputs) * area // shrunk**2

    def up(inputs: int, outputs: int, shrunk: int) -> int:
        """From maps of 1 / `shrunk` of the frame's side to those of twice their size."""
        transposed = config.upsampling == "transposed"
        return (9 if transposed else 1) * inputs * outputs * area // shrunk**2

    encoder = (
        whole(config.frames_in * config.channels, a, 1)
        + conv(a, a, 1)
        + conv(a, b, 2)
        + conv(b, b, 2)
        + conv(b, c, 4)
        + conv(c, c, 4)
    )
    up1, up2, up3 = (1 if skip else 2 for skip in config.skips)
    bottleneck = conv(c, d, 8) + conv(d, d, 8)
    bottleneck += conv(config.decoder_channels, d, 8) + conv(d, d, 8) + up(d, up3 * c, 8)
    if config.decoder_input == "none":
        bottleneck = 0
    decoder = (
        conv(2 * c, c, 4)
        + conv(c, c, 4)
        + up(c, up2 * b, 4)
        + conv(2 * b, b, 2)
        + conv(b, b, 2)
        + up(b, up1 * a, 2)
        + conv(2 * a, a, 1)
        + conv(a, a, 1)
        + whole(a, config.channels, 1)
    )
    memory = 2 * (area // 64) * d * config.items if config.memory else 0
    return encoder + bottleneck + decoder + memory


def gflop(config: NetworkConfig) -> float:
    """GFLOP per frame: a multiplication and an addition are two."""
    return 2 * macs(config) / 1e9
