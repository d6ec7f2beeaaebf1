"""The public MNAD code against this package, on the same weights and the same frames.

::

    python benchmarks/public_code.py CLONE --data PED2 [--model FOLDER] [--json FILE]

CLONE is a clone of the authors' repository; how it is run says `public_clone.py`.

1. Step: both do one training step (batch 4) from the public code's fresh weights and items, in
   float32 and in float64. The bound of 1e-5 is for the latter (in float32 losses have 1e-4, and
   gradients none): how far the public code's float32 gradients are from its own float64 ones is
   shown beside. The weights come to ours by
   torch.save of the public network and our import. Frames are coloured noise, so that a wrong
   order of the channels would show.
2. Scoring: both score the test clips as the public Evaluate.py does: eval(), batch 1, the memory
   carried through all clips in order and updated by frames below gamma. The public code uses its
   own formulae, up to the AUC, and reads the frames. Weights are those of --model, or the public
   code's after a short training; gamma is then one that half of the frames stay below. Each window
   goes to one side right after the other, in alternating order, so that times are of the same run;
   at every eighth window the public code also runs as it ships, building an autograd graph.

It ends with status 1 if a value is above its bound.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from public_clone import PublicCode, as_model, fresh_items, step
from script import run
from torch import Tensor

from mnad.config import NetworkConfig, Task, TrainConfig
from mnad.metrics.frame import per_clip_minmax_micro
from mnad.models.folder import Model, load_model
from mnad.models.importer import to_ours
from mnad.scoring.scorer import score_and_update
from mnad.scoring.windows import Windows
from mnad.training.loop import Fitter
from mnad.writing import require_folder

Row = tuple[str, str, float, float | None]
"""Part, quantity, value, bound (None: for information)."""

Scored = tuple[tuple[float, float, float], bool, Tensor]
"""Psnr, distance and E_t of a frame; whether it updated the memory; the items after it."""

FRAMES_IN: dict[Task, int] = {"prediction": 4, "reconstruction": 1}


def compare_step(
    public: PublicCode, config: NetworkConfig, seed: int, exact: bool
) -> tuple[list[Row], dict[str, Tensor]]:
    """One training step of both from the same weights; `exact` does it in float64.

    Returns:
        The comparison, and the public code's gradients.
    """
    torch.manual_seed(seed)
    theirs, items = public.build(config).train(), fresh_items(config)
    model = as_model(theirs, items)
    network, single = model.network.train().requires_grad_(True), torch.Tensor.float
    if exact:  # what our code writes as a cast to float32 becomes one to float64
        theirs, network, items = theirs.double(), network.double(), items.double()
        torch.set_default_dtype(torch.float64)
        setattr(torch.Tensor, "float", torch.Tensor.double)  # noqa: B010

    shape = (4, config.window, config.height, config.image_width, config.channels)
    clips = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    windows = Windows(list(clips), [str(i) for i in range(4)], config.window)
    fitter = Fitter(windows, model.config, TrainConfig(precision="fp32"), network)
    out, losses = fitter.step(windows.batch(range(4)))
    bgr = torch.from_numpy(clips[..., ::-1].copy()).to(items.dtype) / 127.5 - 1
    imgs = bgr.permute(0, 1, 4, 2, 3).flatten(1, 2)
    frame, moved, expected = step(theirs, imgs, items, config)
    torch.set_default_dtype(torch.float32)
    setattr(torch.Tensor, "float", single)  # noqa: B010

    ours = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    gradients = to_ours({n: p.grad for n, p in theirs.named_parameters() if p.grad is not None})
    assert len(ours) == sum(1 for _ in network.parameters())
    part = f"{config.task} step, float{64 if exact else 32}"
    changed = int((moved - items).abs().amax(1).gt(1e-6).sum())
    drift = float((network.state_dict()["memory.items"] - moved).abs().max())
    output = float((out.frame - frame.flip(1)).detach().abs().max())
    bound = 1e-5 if exact else None
    rows = [
        (part, "losses, relative", float((losses / expected - 1).abs().max()), bound or 1e-4),
        (part, f"updated items, absolute ({changed} moved)", drift, 1e-5),
        (part, "output frame, absolute", output, bound),
        (part, "gradients, relative to each tensor's largest", deviation(ours, gradients), bound),
    ]
    return rows, gradients


def deviation(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """Largest difference of gradients, relative to the largest gradient of the same tensor."""
    assert found.keys() == expected.keys()
    worst = 0.0
    for name, gradient in expected.items():
        # Batch normalisation takes the mean off: the biases before it have a true gradient of
        # zero, and what is found is rounding, to be measured by the weights' gradient.
        weight = name.removesuffix("bias") + "weight"
        bare = name in ("encoder.stage4.3.bias", "decoder.out.1.bias")
        cancelled = name.endswith("bias") and expected[weight].ndim == 4 and not bare
        scale = expected[weight if cancelled else name].abs().max()
        worst = max(worst, float((found[name] - gradient).abs().max() / scale))
    return worst


def score(model: Model, window: Tensor, items: Tensor) -> Scored:
    """A window (T, H, W, c) uint8 scored by this package."""
    parts, updates, items = score_and_update(model.torch_runtime, window[None], items[None])
    values = float(parts.psnr), float(parts.distance), float(parts.regular)
    return values, bool(updates), items[0]


def compare_scoring(
    public: PublicCode, network: torch.nn.Module, model: Model, clips: list[Path]
) -> list[Row]:
    """Both over the clips in order, then the AUC of each by its own code."""
    config, weight = model.config.network, model.config.method.lambda_score
    sides = ("ours", "public", "as shipped")
    items = {side: model.network.state_dict()["memory.items"].clone() for side in sides}
    parts: dict[str, dict[str, list[tuple[float, float, float]]]] = {side: {} for side in sides}
    updates: dict[str, list[bool]] = {side: [] for side in sides}
    times: dict[str, list[float]] = {side: [] for side in sides}
    truth, offset = {}, 0
    for clip in clips:
        imgs, pixels = public.read_clip(clip, config)
        first, count = offset + config.target, len(pixels) - config.window + 1
        truth[clip.name], offset = public.labels[first : first + count], offset + len(pixels)
        for i in range(count):
            window = slice(i, i + config.window)
            for side in sides[:: 1 if i % 2 else -1]:
                if side == "as shipped" and i % 8:
                    continue
                began = time.perf_counter()
                if side == "ours":
                    found = score(model, pixels[window], items[side])
                else:
                    img = imgs[window].flatten(0, 1)[None]
                    with torch.set_grad_enabled(side == "as shipped"):
                        found = public.score(network, img, items["public"], model)
                times[side].append(1000 * (time.perf_counter() - began))
                parts[side].setdefault(clip.name, []).append(found[0])
                updates[side].append(found[1])
                items[side] = found[2]
    own = per_clip_minmax_micro(
        truth,
        {name: [-psnr for psnr, _, _ in rows] for name, rows in parts["ours"].items()},
        {name: [distance for _, distance, _ in rows] for name, rows in parts["ours"].items()},
        weights=(weight, 1 - weight),
    ).auc
    assert own is not None, "these clips hold frames of one class only"
    auc = public.auc(parts["public"], np.concatenate(list(truth.values())), weight)
    ours, theirs = (np.concatenate(list(parts[side].values())) for side in sides[:2])
    psnr, distance, regular = np.abs(ours / theirs - 1).max(axis=0).tolist()
    differ = sum(a != b for a, b in zip(updates["ours"], updates["public"], strict=True))
    ms = {side: float(np.median(x)) for side, x in times.items()}
    drift = float((items["ours"] - items["public"]).abs().max())
    part = f"{config.task} scoring, {len(clips)} clips, {len(ours)} frames"
    return [
        (part, "psnr, relative, worst frame", psnr, 1e-4),
        (part, "distance, relative, worst frame", distance, 1e-4),
        (part, "regular score E_t, relative, worst frame", regular, 1e-4),
        (part, f"updates decided otherwise ({sum(updates['public'])} made)", differ, 0),
        (part, "items after the last frame, absolute", drift, None),
        (part, "AUC of the public code", auc, None),
        (part, "AUC, difference", abs(own - auc), 1e-4),
        (part, "ms per frame, ours, median", ms["ours"], None),
        (part, "ms per frame, public without autograd, median", ms["public"], None),
        (part, "ms per frame, public as shipped, median", ms["as shipped"], None),
        (part, "public without autograd / ours", ms["public"] / ms["ours"], None),
        (part, "public as shipped / ours", ms["as shipped"] / ms["ours"], None),
    ]


def reachable(public: PublicCode, network: torch.nn.Module, model: Model, data: Path) -> Model:
    """The model with a gamma that half of the first test clip's frames stay below."""
    config, items = model.config.network, model.network.state_dict()["memory.items"]
    imgs, _ = public.read_clip(data / "testing" / "frames" / "01", config)
    with torch.no_grad():
        regular = [
            public.score(network, imgs[i : i + config.window].flatten(0, 1)[None], items, model)[0][
                2
            ]
            for i in range(0, len(imgs) - config.window + 1, 8)
        ]
    method = replace(model.config.method, gamma=float(np.median(regular)))
    return replace(model, config=replace(model.config, method=method))


def cpu_name() -> str:
    """The processor's model where Linux tells it."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    name = info.partition("model name")[2].partition("\n")[0].strip("\t :")
    return name or platform.processor()


def main() -> None:
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("clone", type=Path, help="clone of the public code")
    flags.add_argument("--data", type=Path, required=True, help="Ped2 as the public code has it")
    flags.add_argument("--model", type=Path, help="model folder; without it, a short training")
    flags.add_argument("--clips", type=int, default=12, help="test clips to score, from 0")
    flags.add_argument("--width", type=float, default=1.0, help="without --model")
    flags.add_argument("--task", choices=list(FRAMES_IN), default="prediction", help="likewise")
    flags.add_argument("--steps", type=int, default=20, help="of that short training")
    flags.add_argument("--size", type=int, default=256, help="pixels a side in the step")
    flags.add_argument("--seed", type=int, default=0)
    flags.add_argument("--json", type=Path)
    args = flags.parse_args()
    if args.json:
        require_folder(args.json)
    public = PublicCode(args.clone)
    model = load_model(args.model) if args.model else None
    width = model.config.network.width if model else args.width
    rows: list[Row] = []
    for task, frames in FRAMES_IN.items():
        config = NetworkConfig(task, frames, 3, width, height=args.size, image_width=args.size)
        single, found = compare_step(public, config, args.seed, exact=False)
        double, expected = compare_step(public, config, args.seed, exact=True)
        noise = "gradients, the public code in float32 against itself in float64"
        rows += [*single, *double, (f"{task} step", noise, deviation(found, expected), None)]
    if args.clips:
        torch.manual_seed(args.seed)
        if model:
            network = public.build_like(model)
        else:
            config = NetworkConfig(args.task, FRAMES_IN[args.task], 3, width)
            clip, _ = public.read_clip(args.data / "training" / "frames" / "01", config)
            network, items = public.train(config, clip, args.steps)
            model = reachable(public, network.eval(), as_model(network, items), args.data)
        clips = sorted((args.data / "testing" / "frames").iterdir())[: args.clips]
        rows += compare_scoring(public, network.eval(), model, clips)

    print("| part | quantity | value | bound | |\n|---|---|---:|---:|---|")
    for part, quantity, value, bound in rows:
        limit, verdict = ("", "") if bound is None else (bound, "ok" if value <= bound else "ABOVE")
        print(f"| {part} | {quantity} | {value:.4g} | {limit} | {verdict} |")
    record = {
        "protocol": __doc__,
        "arguments": {n: v.name if isinstance(v, Path) else v for n, v in vars(args).items()},
        "public_code": public.commit,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": {"cpu": cpu_name(), "cores": os.cpu_count()},
        "rows": [dict(zip(("part", "quantity", "value", "bound"), r, strict=True)) for r in rows],
    }
    if args.json:
        args.json.write_text(json.dumps(record, indent=2) + "\n")
    sys.exit(any(bound is not None and not value <= bound for _, _, value, bound in rows))


if __name__ == "__main__":
    run(main)
