"""mnad data check and mnad data prepare."""

# Annotations are not postponed: to resolve them the command line would have to import torch.

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mnad.datasets.prepared import Copy


def check_data(data: str | Path, *, masks: bool = True, frames: bool = False) -> dict[str, Any]:
    """Say what a data set is: layout, clips, labels, masks, and all that differs from the official.

    Args:
        data: NAME:PATH of a data set of the field (ped1, ped2, avenue, avenue@owner, shanghaitech,
            mvtec, loco, phantom, ssv2@CLASS), or a folder of one's own.
        masks: read all pixel masks and compare them with the labels; Avenue's take a minute.
        frames: decode every frame too, to find clips that break off or cannot be read.
    """
    from mnad.datasets import open_dataset
    from mnad.datasets.check import check

    return check(open_dataset(data), masks, frames)


def prepare_data(
    data: str | Path,
    *,
    out: str | Path,
    height: int = 256,
    image_width: int = 256,
    channels: Literal[1, 3] = 3,
) -> "Copy":
    """Decode a data set once, at the size of a network, into a folder to train and evaluate on.

    The frames are to the bit what such a network is given from the data set itself. Labels and
    masks are still read there.

    Args:
        data: NAME:PATH of a data set of the field, or a folder of one's own.
        out: the folder to make; give it to mnad train and mnad evaluate in place of the data set.
        height: rows of the frames as the network sees them, a multiple of 8.
        image_width: columns of those frames, a multiple of 8.
        channels: 1 (grey) or 3 (RGB).
    """
    from mnad.config import NetworkConfig
    from mnad.datasets import Prepared, open_dataset
    from mnad.datasets.prepared import prepare_copy

    network = NetworkConfig(height=height, image_width=image_width, channels=channels)
    made_for = Prepared(network.height, network.image_width, network.channels)
    return prepare_copy(str(data), open_dataset(data, labels=False), Path(out), made_for)
