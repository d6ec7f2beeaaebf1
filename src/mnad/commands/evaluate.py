"""mnad evaluate."""

# Annotations are not postponed: to resolve them the command line would have to import torch.

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnad.config import Device, Policy, RuntimeName, require_count
from mnad.errors import UsageError

if TYPE_CHECKING:
    from mnad.datasets.clip import Dataset
    from mnad.models.folder import Model
    from mnad.runtime.runtime import Runtime


def evaluate(
    model: str | Path,
    data: str | Path,
    *,
    json: str | Path | None = None,
    plot: str | Path | None = None,
    report: str | Path | None = None,
    pixels: bool = False,
    policy: Policy | None = None,
    streams: int = 1,
    lambda_score: float | None = None,
    folder_rate: float | None = None,
    device: Device = "auto",
    runtime: RuntimeName = "torch",
) -> dict[str, Any]:
    """Measure a model on labelled test clips, in every protocol of the field.

    What is measured follows from what a label of the data set is about: frames, whole clips
    (PHANTOM, Something-Something), or images (MVTec AD, LOCO); see docs/evaluation.md.

    Args:
        model: a model folder, or the name of a built-in one (mnad models).
        data: NAME:PATH of a data set of the field (docs/datasets.md), a prepared copy, or a folder
            of one's own with labels or masks beside each clip.
        json: file for all numbers, frame by frame too.
        plot: PNG or SVG file for the score curves with the ground truth shaded; of frames only.
        report: folder for a page with all of it (evaluation.html), and its curves and tables as
            PNG and CSV files: which clips cost how much, and the worst mistakes as pictures.
        pixels: measure where in the frames, too, against pixel masks: pixel AUROC, UCSD and
            dual-pixel criterion, RBDC, TBDC, of the prediction error and of the heat map; takes
            minutes more. Of images: the heat map beside the error.
        policy: memory at test time: carried across clips in order (public code), reset per clip,
            or frozen; null: carried for frames, reset for whole clips, frozen for images.
        streams: clips scored side by side; not with a carried memory, nor with pixels.
        lambda_score: weight of the PSNR in the combined score; null: the model's.
        folder_rate: frames per second of one's own folders of images, which do not say it; null:
            25.
        device: auto, cpu or cuda.
        runtime: torch, torch-bf16, openvino, openvino-int8, ncnn, onnx or onnx-int8; auto: what
            detect would take.
    """
    from mnad.datasets import at_rate, open_dataset
    from mnad.evaluation.run import evaluate_model
    from mnad.reports.figures import kind_of
    from mnad.runtime.pick import load_runtime
    from mnad.writing import make_folder, require_folder, write_json

    require_count("streams", streams)
    if report is not None:
        make_folder(Path(report))
    if plot is not None:
        kind_of(plot)
    for file in (json, plot):
        if file is not None:
            require_folder(Path(file))
    loaded, engine = load_runtime(model, device, runtime)
    dataset = at_rate(open_dataset(data), folder_rate, loaded.config.rate)
    if plot is not None and dataset.kind != "frames":
        raise UsageError(
            f"{dataset.name} has labels of {dataset.kind}, over which there is no curve to plot: "
            "leave out --plot, --report draws the scores."
        )
    result = evaluate_model(
        loaded,
        dataset,
        runtime=engine,
        policy=policy,
        lockstep=streams,
        lambda_score=lambda_score,
        pixels=pixels,
    )
    if json is not None:
        write_json(Path(json), result)
    if plot is not None:
        _plot_scores(Path(plot), result, Path(model).name)
    if report is not None and dataset.kind != "frames":
        _write_kind_report(Path(report), result, Path(model).name)
    elif report is not None:
        _write_report(Path(report), result, Path(model).name, loaded, dataset, engine)
    return result


def _write_kind_report(folder: Path, result: dict[str, Any], name: str) -> None:
    from mnad.evaluation.tables import clip_scores_csv, frames_csv
    from mnad.reports.kinds_page import write_kind_page
    from mnad.writing import write

    write(folder / "frames.csv", frames_csv(result))
    what = "images" if result["kind"] == "images" else "frames"
    files = {"frames.csv": f"parts and scores of all {what}"}
    if result["kind"] == "clips":
        write(folder / "clips.csv", clip_scores_csv(result))
        files["clips.csv"] = "label, length and pooled scores of every clip"
    write_kind_page(folder / "evaluation.html", name, result, files)


def _plot_scores(path: Path, result: dict[str, Any], name: str) -> None:
    from mnad.evaluation.detail import chosen_score
    from mnad.evaluation.text import COLUMNS
    from mnad.reports.plots import evaluation_plot

    key, protocol = chosen_score(result)
    auc = result["auc"][protocol]
    evaluation_plot(
        path,
        {n: (d["index"], d[key], d["label"]) for n, d in result["frames_detail"].items()},
        title=f"{name} on {result['dataset']}",
        auc=f"{COLUMNS[protocol]} AUC " + ("undefined" if auc is None else f"{auc:.3f}"),
    )


def _write_report(
    folder: Path,
    result: dict[str, Any],
    name: str,
    model: "Model",
    dataset: "Dataset",
    engine: "Runtime",
) -> None:
    """The page last: what it names then lies beside it."""
    from mnad.evaluation.again import see_again
    from mnad.evaluation.detail import chosen_score, curves_of, worst_moments
    from mnad.evaluation.tables import clips_csv, frames_csv
    from mnad.evaluation.text import COLUMNS
    from mnad.reports.evaluation_page import EvaluationReport, Mistake, write_evaluation_page
    from mnad.reports.plots import precision_recall_plot, roc_plot
    from mnad.writing import write

    write(folder / "frames.csv", frames_csv(result))
    write(folder / "clips.csv", clips_csv(result))
    _plot_scores(folder / "scores.png", result, name)
    files = {
        "frames.csv": "parts and scores of every frame, in every normalisation",
        "clips.csv": "frames, AUC and damage of every clip",
        "scores.png": "the score curves",
    }
    curves = curves_of(result)
    if curves:
        title = f"{name} on {result['dataset']}"
        lines = {COLUMNS[p]: (c.fpr, c.tpr, result["auc"][p]) for p, c in curves.items()}
        bands = {COLUMNS[p]: c.roc_band for p, c in curves.items() if c.roc_band is not None}
        roc_plot(folder / "roc.png", lines, title, bands)
        steps = {COLUMNS[p]: (c.recall, c.precision, result["ap"][p]) for p, c in curves.items()}
        bands = {COLUMNS[p]: c.pr_band for p, c in curves.items() if c.pr_band is not None}
        share = result["abnormal_frames"] / result["scored_frames"]
        precision_recall_plot(folder / "precision_recall.png", steps, share, title, bands)
        files |= {"roc.png": "ROC curves", "precision_recall.png": "precision over recall"}
    kinds = worst_moments(result)
    wanted: dict[str, list[int]] = {}
    for moment in kinds[0] + kinds[1]:
        wanted.setdefault(moment.clip, []).append(moment.frame)
    seen = see_again(model, dataset, wanted, engine)
    alarms, misses = ([Mistake(m, seen[m.clip, m.frame]) for m in moments] for moments in kinds)
    write_evaluation_page(
        folder / "evaluation.html",
        EvaluationReport(name, result, chosen_score(result), curves, alarms, misses, files),
    )
