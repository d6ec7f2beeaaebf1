"""mnad reproduce."""

# Annotations are not postponed: to resolve them the command line would have to import torch.

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from mnad.config import Device, Policy, Precision, Preset, Task
from mnad.errors import UsageError


def reproduce(
    name: Literal["ped2", "avenue", "shanghaitech", "mvtec", "loco", "phantom", "ssv2"],
    path: str | Path,
    *,
    out: str | Path | None = None,
    classes: str | None = None,
    task: Task | None = None,
    preset: Preset = "official",
    seed: int = 0,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    channels: Literal[1, 3] | None = None,
    width: float | None = None,
    height: int | None = None,
    image_width: int | None = None,
    items: int | None = None,
    policy: Policy | None = None,
    precision: Precision | None = None,
    pixels: bool = False,
    device: Device = "auto",
    cache_dir: str | Path | None = None,
) -> dict[str, Any]:
    """Train and test as published, and put ours beside the published number.

    Of a data set with classes or objects each is trained on by itself, and the numbers are
    averaged. What is given besides NAME and PATH overrides the published setting, and where that
    differs from the paper's nothing is compared as like with like.

    Args:
        name: of the data set; docs/evaluation.md says what was published for it.
        path: of it; for mvtec, loco and phantom a folder of several objects or classes, or one.
        out: folder for models, evaluations and reproduce.json; started again with it, the command
            goes on; null: reproduced/NAME-TASK-PRESET-SEED.
        classes: only these classes or objects, with commas between.
        task: prediction or reconstruction; null: prediction, of images reconstruction.
        preset: official (the public code's reading of the equations) or paper (as printed).
        seed: of weights, items and order.
        epochs: passes over the training windows; null: 60, for shanghaitech 10.
        batch_size: windows per step; null: 4.
        learning_rate: at the start; null: the preset's.
        channels: 1 (grey) or 3 (RGB); null: 3.
        width: factor on the channels of the paper's network; null: 1.
        height: rows of the frames as the network sees them, a multiple of 8; null: 256.
        image_width: columns of those frames, a multiple of 8; null: 256.
        items: number of memory items; null: 10.
        policy: memory at test time: carried, reset or frozen; null: carried for ped2, avenue and
            shanghaitech, reset for phantom and ssv2, frozen for images.
        precision: of the training, fp32, bf16 or auto; null: fp32.
        pixels: measure where in the frames, too (mnad evaluate --pixels).
        device: auto, cpu or cuda.
        cache_dir: where decoded frames go that do not fit into 4 GiB of memory.
    """
    from mnad.commands.evaluate import evaluate
    from mnad.commands.train import train
    from mnad.datasets import Dataset, open_dataset, require_labels, require_training
    from mnad.datasets.known import classes_of
    from mnad.evaluation.truth import Truth
    from mnad.lock import locked
    from mnad.reproduce.published import publication, published_setting, usual_task
    from mnad.reproduce.run import EVALUATION, Reproduction
    from mnad.writing import write_json

    if preset == "camera":
        raise UsageError("preset is camera, of which nothing was published: official or paper.")

    @cache
    def opened(spec: str) -> Dataset:
        """The data set, with all that an evaluation takes, before hours are trained for it."""
        dataset = open_dataset(spec)
        require_training(dataset)
        require_labels(dataset)
        if pixels or dataset.kind == "images":
            Truth.of_dataset(dataset, None)
        return dataset

    usual = published_setting(name, task or usual_task(name), preset)
    given: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "channels": channels,
        "width": width,
        "height": height,
        "image_width": image_width,
        "items": items,
        "policy": policy,
        "precision": precision,
    }
    setting = replace(usual, **{key: value for key, value in given.items() if value is not None})
    found = classes_of(name, Path(path))
    if classes is not None:
        wanted = [one.strip() for one in classes.split(",")]
        missing = [one for one in wanted if one not in found]
        if missing:
            raise UsageError(
                f"{path} has no class {', '.join(missing)}: choose of {', '.join(found)}."
            )
        found = {one: found[one] for one in wanted}
    if len(found) == 1:  # before a folder is made
        opened(next(iter(found.values())))
    folder = Path(f"reproduced/{name}-{setting.task}-{preset}-{seed}") if out is None else Path(out)

    def trained(spec: str, model: Path) -> None:
        train(
            spec,
            out=model,
            preset=preset,
            task=setting.task,
            channels=setting.channels,
            width=setting.width,
            items=setting.items,
            height=setting.height,
            image_width=setting.image_width,
            epochs=setting.epochs,
            batch_size=setting.batch_size,
            learning_rate=setting.learning_rate,
            seed=seed,
            precision=setting.precision,
            device=device,
            cache_dir=cache_dir,
            resume=True,
        )

    def evaluated(model: Path, spec: str, into: Path) -> None:
        result = evaluate(
            model,
            spec,
            report=into / "report",
            pixels=pixels,
            policy=setting.policy,
            device=device,
        )
        # Last, as it says that the evaluation is done.
        write_json(into / EVALUATION, result)

    work = Reproduction(
        name, Path(path), folder, setting, usual, seed, pixels, publication(name, setting.task)
    )
    with locked(folder, "reproduces in"):
        return work.run(found, opened, trained, evaluated)
