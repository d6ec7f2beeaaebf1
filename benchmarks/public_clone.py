"""The authors' code, run as it lies in a clone of its repository.

Three changes come from outside: ``.cuda()`` does nothing; torchvision, which is imported but never
needed, is an empty module; and to build a network at another width than 1.0, torch.nn's layers
multiply channel counts of 64 and more while its constructors run.
"""

from __future__ import annotations

import functools
import importlib
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnad.config import NetworkConfig
from mnad.errors import UsageError
from mnad.models.folder import Model
from mnad.models.importer import import_checkpoint, to_ours

_PREDICTION = "model.final_future_prediction_with_memory_spatial_sumonly_weight_ranking_top1"
LABELS = "data/frame_labels_ped2.npy"


def require_clone(clone: Path) -> None:
    """Refuse a folder that is no clone of the authors' repository.

    Raises:
        UsageError: what its scripts import, or the labels of Ped2, are not there.
    """
    for part in (f"{_PREDICTION.replace('.', '/')}.py", LABELS):
        if not (clone / part).is_file():
            raise UsageError(f"{clone} is no clone of the public code: it has no {part}.")


class PublicCode:
    """Its modules, and the lines of its two scripts that matter here.

    Args:
        clone: folder of the clone.

    Raises:
        UsageError: it is none.
    """

    def __init__(self, clone: Path) -> None:
        require_clone(clone)
        for kind in (torch.Tensor, nn.Module):
            setattr(kind, "cuda", lambda self, *_: self)  # noqa: B010
        vision, utils = ModuleType("torchvision"), ModuleType("torchvision.utils")
        sys.modules |= {"torchvision": vision, "torchvision.utils": utils}
        sys.path.insert(0, str(clone.resolve()))
        self.prediction, self.reconstruction, self.reader, self.formulae = (
            importlib.import_module(name)
            for name in (_PREDICTION, "model.Reconstruction", "model.utils", "utils")
        )
        assert Path(str(self.formulae.__file__)).is_relative_to(clone.resolve())
        head = subprocess.run(["git", "-C", clone, "rev-parse", "HEAD"], capture_output=True)
        self.commit = head.stdout.decode().strip()
        self.labels = np.load(clone / LABELS)[0]  # 1 = abnormal

    def build(self, config: NetworkConfig) -> Any:
        """A network as Train.py builds it, at any width."""

        def scale(value: Any) -> Any:
            return round(value * config.width) if isinstance(value, int) and value >= 64 else value

        def scaled(kind: Any, *args: Any, **kwargs: Any) -> Any:
            return kind(*map(scale, args), **{name: scale(v) for name, v in kwargs.items()})

        kinds = {name: getattr(nn, name) for name in ("Conv2d", "ConvTranspose2d", "BatchNorm2d")}
        sizes = (config.items, config.stages[-1], config.stages[-1])
        try:
            for name, kind in kinds.items():
                setattr(nn, name, functools.partial(scaled, kind))
            if config.task == "prediction":
                return self.prediction.convAE(config.channels, config.frames_in + 1, *sizes)
            return self.reconstruction.convAE(config.channels, 2, *sizes)
        finally:
            for name, kind in kinds.items():
                setattr(nn, name, kind)

    def build_like(self, model: Model) -> Any:
        """The network with the weights of a model of ours."""
        ours, network = model.network.state_dict(), self.build(model.config.network)
        theirs = network.state_dict()  # holds one batch normalisation more, which is never called
        named = {name: next(iter(to_ours({name: tensor})), "") for name, tensor in theirs.items()}
        network.load_state_dict({name: ours.get(named[name], theirs[name]) for name in theirs})
        return network

    def read_clip(self, folder: Path, config: NetworkConfig) -> tuple[Tensor, Tensor]:
        """Frames of a clip as its loader gives them (T, c, H, W), and as uint8 (T, H, W, c)."""
        size = config.height, config.image_width
        files = sorted(folder.glob("*.jpg"))
        frames = np.stack([self.reader.np_load_frame(str(file), *size) for file in files])
        # So the order of the channels, BGR there and RGB here, does not matter.
        assert (frames == frames[..., :1]).all(), "frames are not grey"
        frames = frames[..., : config.channels]
        pixels = np.rint((frames + 1) * 127.5).astype(np.uint8)
        assert (pixels.astype(np.float32) / 127.5 - 1 == frames).all(), "frames were not uint8"
        return torch.from_numpy(frames).permute(0, 3, 1, 2), torch.from_numpy(pixels)

    def train(self, config: NetworkConfig, clip: Tensor, steps: int) -> tuple[Any, Tensor]:
        """A network and its items after some steps of Train.py on random windows of one clip."""
        network, items = self.build(config).train(), fresh_items(config)
        adam = torch.optim.Adam(network.parameters(), lr=2e-4)
        for _ in range(steps):
            starts = torch.randint(len(clip) - config.window + 1, (4,)).tolist()
            imgs = torch.stack([clip[i : i + config.window].flatten(0, 1) for i in starts])
            _, items, _ = step(network, imgs, items, config)
            adam.step()
        return network, items

    def score(self, network: Any, imgs: Tensor, items: Tensor, model: Model) -> Any:
        """A window in Evaluate.py: psnr, distance and E_t; whether it updated; the items."""
        config = model.config.network
        inputs, target = imgs[:, : config.frames_in * config.channels], imgs[:, -config.channels :]
        output, feature, _, items, *_, compactness = network.forward(inputs, items, False)
        error = nn.MSELoss(reduction="none")((output[0] + 1) / 2, (target[0] + 1) / 2)
        mse, distance = torch.mean(error).item(), compactness.item()
        regular = self.formulae.point_score(output, target)
        if updates := regular < model.config.method.gamma:
            query = F.normalize(feature, dim=1).permute(0, 2, 3, 1)
            items = network.memory.update(query, items, False)
        return (self.formulae.psnr(mse), distance, regular), updates, items

    def auc(self, clips: dict[str, Any], labels: Any, weight: float) -> float:
        """The last lines of Evaluate.py, for the parts of every frame of every clip."""
        f, scores = self.formulae, []
        for parts in clips.values():
            normal = f.anomaly_score_list([p[0] for p in parts])
            scores += f.score_sum(normal, f.anomaly_score_list_inv([p[1] for p in parts]), weight)
        return float(f.AUC(np.asarray(scores), np.expand_dims(1 - labels, 0)))


def fresh_items(config: NetworkConfig) -> Tensor:
    """Train.py's initial memory."""
    return F.normalize(torch.rand((config.items, config.stages[-1])), dim=1)


def step(network: Any, imgs: Tensor, items: Tensor, config: NetworkConfig) -> Any:
    """A step of Train.py up to the gradients: output, new items, losses in our order."""
    inputs, target = imgs[:, : config.frames_in * config.channels], imgs[:, -config.channels :]
    output, _, _, items, _, _, *two = network.forward(inputs, items, True)
    # The reconstruction returns these two the other way round than Train.py takes them; it weighs
    # both alike, so that changes no gradient.
    separate, compact = two if config.task == "prediction" else reversed(two)
    pixel = torch.mean(nn.MSELoss(reduction="none")(output, target))
    weight = 0.1 if config.task == "prediction" else 0.01
    loss = pixel + weight * compact + weight * separate
    network.zero_grad()
    loss.backward(retain_graph=True)
    return output, items, torch.stack([loss, pixel, compact, separate]).detach()


def as_model(network: Any, items: Tensor) -> Model:
    """The network as a model of ours, by way of the two files that Train.py ends by writing."""
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "model.pth", Path(folder) / "keys.pt"
        torch.save(network, files[0])
        torch.save(items, files[1])
        return import_checkpoint(*files)
