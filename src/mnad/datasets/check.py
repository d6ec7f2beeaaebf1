"""What a data set turns out to be when it is looked at: a report of plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Sized
from fractions import Fraction
from typing import Any

from mnad.datasets.clip import Clip, Dataset
from mnad.datasets.facts import KNOWN, frame_numbers
from mnad.errors import MnadError
from mnad.video.source import open_source

_LABELS_OF = {
    "frames": "video, a label for each frame",
    "clips": "video, one label for each clip",
    "images": "images, a label for each",
}


def check(dataset: Dataset, masks: bool, frames: bool) -> dict[str, Any]:
    """Look at the first frame of every clip, or at every frame, and at every mask.

    Args:
        dataset: which.
        masks: whether to read the masks and compare them with the labels.
        frames: whether to decode every frame.

    Returns:
        What `report_text` prints; ``warnings`` holds a sentence for all that is not as it should
        be, also for clips that cannot be read.
    """
    warnings = list(dataset.warnings)
    parts = {}
    for name, clips in (
        ("training", dataset.train),
        ("validation", dataset.validation),
        ("testing", dataset.test),
    ):
        if clips:
            parts[name] = _part(dataset, clips, frames, warnings)
    known = KNOWN.get(dataset.name)
    if known is not None and known.size is not None and dataset.prepared is None:
        usual = f"{known.size[0]}x{known.size[1]}"
        others = {size for part in parts.values() for size in part["sizes"]} - {usual}
        told = f"{usual} are reported" if "size" in known.reported else f"not {usual}"
        warnings += [
            f"{dataset.name} has frames of {size} here; {told}." for size in sorted(others)
        ]
    labelled = [clip for clip in dataset.test if clip.labels is not None]
    abnormal = [int(clip.labels.sum()) for clip in labelled if clip.labels is not None]
    unlabelled = [clip.name for clip in dataset.test if clip.labels is None]
    if unlabelled:
        which = f"test clip {', '.join(unlabelled)} has" if labelled else "its test clips have"
        warnings.append(f"{dataset.name}: {which} no labels; mnad evaluate refuses it without.")
    masked = [clip for clip in dataset.test if clip.masks is not None]
    if masks:
        for clip in masked:
            warnings += _masks_told(dataset, clip)
    return {
        "dataset": dataset.name,
        "root": str(dataset.root),
        "layout": dataset.layout,
        "kind": dataset.kind,
        "prepared": None if dataset.prepared is None else str(dataset.prepared),
        "rate": dataset.rate,
        "parts": parts,
        "label_source": dataset.label_source,
        "labelled_clips": len(labelled),
        "abnormal_frames": sum(abnormal),
        "labelled_frames": sum(clip.length for clip in labelled),
        "wholly_abnormal": [
            c.name for c, n in zip(labelled, abnormal, strict=True) if n == c.length
        ],
        "wholly_normal": [c.name for c, n in zip(labelled, abnormal, strict=True) if not n],
        "mask_source": dataset.mask_source,
        "masked_clips": len(masked),
        "warnings": warnings,
    }


def report_text(report: dict[str, Any]) -> str:
    """The report of `check` as lines for a terminal, without its warnings."""
    lines = [f"{report['dataset']}: {report['root']}", f"layout: {report['layout']}"]
    if report["prepared"]:
        lines.append(f"a prepared copy for {report['prepared']}")
    lines.append(f"labels are of: {_LABELS_OF[report['kind']]}")
    for name, part in report["parts"].items():
        lines.append(
            f"{name}: {part['clips']} clips, {part['frames']} frames; "
            f"{_counted(part['sizes'])} pixels; {_counted(part['rates'])} frames/s"
            + (
                f"; numbered from {_counted(part['numbered_from'])}"
                if part["numbered_from"]
                else ""
            )
        )
    lines.append(f"labels: {report['label_source']}")
    if report["labelled_clips"]:
        clips = report["labelled_clips"]
        thing = "images" if report["kind"] == "images" else "frames"
        lines.append(
            f"abnormal: {len(report['wholly_abnormal'])} of {clips} clips"
            if report["kind"] == "clips"
            else f"abnormal: {report['abnormal_frames']} of {report['labelled_frames']} {thing} "
            f"in {clips} clips"
        )
    if report["kind"] == "frames":
        for key, word in (("wholly_abnormal", "abnormal"), ("wholly_normal", "normal")):
            if report[key]:
                lines.append(f"wholly {word}: {', '.join(report[key])}")
    lines.append(f"masks: {report['mask_source']}")
    lines.append(f"warnings: {len(report['warnings']) or 'none'}")
    return "\n".join(lines)


def _counted(values: dict[str, int]) -> str:
    """The values, with their counts where there are several."""
    if len(values) == 1:
        return next(iter(values))
    return ", ".join(f"{value} ({count})" for value, count in values.items()) or "none"


def _part(
    dataset: Dataset, clips: Sequence[Clip], frames: bool, warnings: list[str]
) -> dict[str, Any]:
    known = None if dataset.rate is None else Fraction(dataset.rate)
    channels = 3 if dataset.prepared is None else dataset.prepared.channels
    sizes: Counter[str] = Counter()
    rates: Counter[str] = Counter()
    bases: Counter[str] = Counter()
    for clip in clips:
        try:
            with open_source(clip.path, channels, known, dataset.damaged) as source:
                sizes[f"{source.size[1]}x{source.size[0]}"] += 1
                rates["unknown" if source.rate is None else f"{float(source.rate):g}"] += 1
                decoded = sum(1 for _ in source) if frames else clip.length
            if decoded != clip.length:
                warnings.append(
                    f"{clip.path} declares {clip.length} frames but {decoded} can be decoded."
                )
        except MnadError as error:
            warnings.append(str(error))
        numbers = frame_numbers(clip)
        if numbers:
            bases[str(numbers[0])] += 1
    return {
        "clips": len(clips),
        "frames": sum(clip.length for clip in clips),
        "sizes": dict(sizes.most_common()),
        "rates": dict(rates.most_common()),
        "numbered_from": dict(bases.most_common()),
    }


def _masks_told(dataset: Dataset, clip: Clip) -> list[str]:
    """Where the masks of a clip are not those that its labels and its frames ask for."""
    assert clip.masks is not None
    differ = missing = 0
    sizes: Counter[str] = Counter()
    told = []
    try:
        count = len(clip.masks) if isinstance(clip.masks, Sized) else clip.length
        if count != clip.length:
            told.append(
                f"{dataset.name}: clip {clip.name} has {clip.length} frames but {count} masks; "
                "take those that belong to it."
            )
        for frame in range(min(count, clip.length)):
            mask = clip.masks.at(frame)
            abnormal = clip.labels is not None and bool(clip.labels[frame])
            if mask is None:
                missing += abnormal
                continue
            sizes[f"{mask.shape[1]}x{mask.shape[0]}"] += 1
            differ += clip.labels is not None and abnormal != bool(mask.any())
        if dataset.prepared is None:
            with open_source(clip.path, damaged=dataset.damaged) as source:
                size = f"{source.size[1]}x{source.size[0]}"
            told += [
                f"{dataset.name}: {count} masks of clip {clip.name} are {other}, its frames {size}."
                for other, count in sizes.items()
                if other != size
            ]
    except MnadError as error:
        return [*told, str(error)]
    if differ:
        told.append(
            f"{dataset.name}: in {differ} frames of clip {clip.name} mask and label disagree on "
            "whether anything is abnormal."
        )
    if missing:
        told.append(f"{dataset.name}: {missing} abnormal frames of clip {clip.name} have no mask.")
    return told
