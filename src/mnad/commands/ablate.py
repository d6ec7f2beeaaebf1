"""mnad ablate."""

# Annotations are not postponed: to resolve them the command line would have to import torch.

from pathlib import Path
from typing import Any, Literal

from mnad.config import Device, Precision, Task, require_count


def ablate(
    data: str | Path,
    *,
    out: str | Path,
    rows: str = "table1,table2",
    seeds: int = 3,
    task: Task = "prediction",
    channels: Literal[1, 3] = 3,
    width: float = 1.0,
    height: int = 256,
    image_width: int = 256,
    epochs: int | None = None,
    batch_size: int = 4,
    learning_rate: float | None = None,
    most_windows: int | None = None,
    precision: Precision = "auto",
    device: Device = "auto",
    cache_dir: str | Path | None = None,
    jobs: int = 1,
) -> dict[str, Any]:
    """Train and test named changes of the method over seeds: which part is worth what.

    Args:
        data: ped2:PATH, avenue:PATH or shanghaitech:PATH, or a folder of one's own with training
            and labelled testing clips.
        out: folder for the models, their tests, ablation.md, ablation.json and ablation.png;
            started again with it, the command goes on, and rows and seeds may be added.
        rows: groups (table1, table2, readings, memory, items, at-test, all) and rows, with commas
            between; docs/ablation.md says what each is.
        seeds: each row is trained with seeds 1 to this.
        task: of the rows other than Table 1's, prediction or reconstruction.
        channels: 1 (grey) or 3 (RGB).
        width: factor on the channels of the paper's network.
        height: rows of the frames as the network sees them, a multiple of 8.
        image_width: columns of those frames, a multiple of 8.
        epochs: passes over the training windows; null: the paper's (60, ShanghaiTech 10).
        batch_size: windows per step.
        learning_rate: at the start; null: the preset's.
        most_windows: of each epoch at most, evenly spread, others in each; null: all.
        precision: fp32, bf16, or auto: bf16 on CUDA (from Ampere on), else fp32. Of one folder it
            may not change.
        device: auto, cpu or cuda.
        cache_dir: where decoded frames go that do not fit into 4 GiB of memory.
        jobs: models that are trained at the same time, each in a process of its own: steps of batch
            4 do not fill a large GPU.
    """
    from mnad.ablation.plan import Common
    from mnad.ablation.rows import choose
    from mnad.ablation.run import Ablation
    from mnad.ablation.table import markdown
    from mnad.datasets import open_dataset
    from mnad.lock import locked
    from mnad.reports.ablation import Dots, ablation_plot
    from mnad.runtime.pick import pick_device
    from mnad.training.precision import takes_bf16
    from mnad.writing import write, write_json

    require_count("seeds", seeds)
    require_count("jobs", jobs)
    chosen = choose(rows)
    where = pick_device(device)
    dataset = open_dataset(data)
    folder = Path(out)
    common = Common(
        task,
        channels,
        width,
        height,
        image_width,
        (10 if dataset.name == "shanghaitech" else 60) if epochs is None else epochs,
        batch_size,
        learning_rate,
        # As it comes out here: gone on with elsewhere, auto may be another one, in the same table.
        "bf16" if takes_bf16(precision, where) else "fp32",
        most_windows,
    )

    def told(result: dict[str, Any]) -> None:
        write_json(folder / "ablation.json", result)
        write(folder / "ablation.md", markdown(result) + "\n")
        dots = []
        for row in result["rows"]:
            values, psnr = (
                [
                    value
                    for value in row["numbers"].get(name, {}).get("by_seed", {}).values()
                    if value is not None  # undefined; 0 is a value, which the table's mean has too
                ]
                for name in ("auc", "psnr_alone")
            )
            dots.append(Dots(row["name"], values, psnr, row["published"]))
        ablation_plot(folder / "ablation.png", dots, f"Ablation on {result['data']}")

    seeds_wanted = range(1, seeds + 1)
    work = Ablation(dataset, folder, common, chosen, seeds_wanted, where, cache_dir, jobs=jobs)
    with locked(folder, "ablates in"):
        return work.run(told)
