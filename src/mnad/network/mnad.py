"""The whole network: encoder, memory, decoder."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from mnad.config import MethodConfig, NetworkConfig
from mnad.network.memory import Memory, similarity, to_queries, widened
from mnad.network.unet import Decoder, Encoder, Layers

OFFICIAL = MethodConfig()


class Output(NamedTuple):
    """What the network gives for a batch of windows, in fp32 at least.

    Attributes:
        frame: (B, c, H, W) predicted or reconstructed frame, in -1..1.
        query: (B, K, C) unit-norm queries, K = H/8 * W/8; one of zeros without a bottleneck.
        similarity: (B, K, M) cosines of queries and items; M = 0 without memory.
    """

    frame: Tensor
    query: Tensor
    similarity: Tensor


class MNAD(nn.Module):
    """Memory-guided prediction or reconstruction of a frame.

    Args:
        config: the dimensions.
        method: the reading of the equations; what concerns the read and the items counts here.

    Example:
        >>> net = MNAD(NetworkConfig(width=0.25, channels=1, height=64, image_width=64))
        >>> net(torch.zeros(2, 4, 64, 64)).frame.shape
        torch.Size([2, 1, 64, 64])
    """

    def __init__(self, config: NetworkConfig, method: MethodConfig = OFFICIAL) -> None:
        super().__init__()
        self.config = config
        channels = config.stages[-1]
        layers = Layers(
            config.convolution == "separable",
            config.upsampling == "nearest",
            config.padding == "reflect",
        )
        constant = None
        if config.decoder_input == "none":
            constant = config.height // 4, config.image_width // 4
        self.encoder = Encoder(
            config.frames_in * config.channels, config.stages, layers, constant is None
        )
        self.memory = None
        if config.memory:
            self.memory = Memory(
                config.items,
                channels,
                method.detach_read,
                method.read_temperature,
                config.decoder_input,
                learnt=method.item_learning == "gradient",
            )
        self.decoder = Decoder(
            config.decoder_channels, config.stages, config.channels, config.skips, layers, constant
        )

    def forward(self, frames: Tensor, items: Tensor | None = None) -> Output:
        """Put out the target frame.

        Args:
            frames: (B, frames_in * c, H, W) in -1..1, oldest frame first.
            items: (B, M, C), one memory per stream, instead of the trained one.
        """
        feature, maps = self.encoder(frames)  # (B, C, H/8, W/8)
        if feature is None:
            # One query of zeros, as engines cannot do with empty arrays.
            query = widened(frames.new_zeros(frames.shape[0], 1, self.config.stages[-1]))
            cosine = query[..., :0]
        elif self.memory is None:
            query = to_queries(feature)
            feature = query.transpose(1, 2).reshape(feature.shape).to(feature.dtype)
            cosine = similarity(query, query[:, :0])  # (B, K, 0)
        else:
            feature, query, cosine = self.memory(feature, items)
        return Output(widened(self.decoder(feature, maps)), query, cosine)
