"""Whole clips, images and pixels as tables and as text for a terminal. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

POOLED = {"mean": "mean", "max": "highest", "top_5_percent": "top 5 %"}

SCORES = {
    "combined": "combined",
    "psnr": "psnr alone",
    "distance": "distance alone",
    "peak": "block peak alone",
    "camera": "camera score (smoothed peak)",
    "highest_error": "highest error of a pixel",
    "highest_heat": "highest heat of a pixel",
}


class Table(NamedTuple):
    """A table of numbers.

    Attributes:
        title: what they are, above the names of the rows.
        columns: their heads.
        rows: name and numbers of each, None where undefined.
    """

    title: str
    columns: list[str]
    rows: list[tuple[str, list[float | None]]]


def number(value: float | None) -> str:
    """Four digits after the point, a dash for what is undefined."""
    return "-" if value is None else f"{value:.4f}"


def video_table(result: Mapping[str, Any]) -> Table:
    """AUC over clips by each pooling of each score, and of the controls."""
    rows = [(SCORES[n], [auc[p] for p in POOLED]) for n, auc in result["video_auc"].items()]
    rows += [
        (f"control: {n.replace('_', ' ')}", [auc[p] for p in POOLED])
        for n, auc in result["controls"].items()
    ]
    rows.append(("control: number of frames", [result["length_auc"]] * len(POOLED)))
    return Table("video AUC, frames pooled by", list(POOLED.values()), rows)


def image_table(result: Mapping[str, Any]) -> Table:
    """AUROC of images by each score, all defects and each folder of them."""
    found = result["image_auroc"]
    groups = list(next(iter(found.values())))
    rows = [(SCORES[name], [own[group] for group in groups]) for name, own in found.items()]
    rows += [
        (f"control: {name.replace('_', ' ')}", [own[group] for group in groups])
        for name, own in result["controls"].items()
    ]
    return Table("image AUROC", [group.replace("_", " ") for group in groups], rows)


def localisation_table(result: Mapping[str, Any]) -> Table:
    """AU-sPRO at each FPR limit, or AU-PRO and pixel AUROC, of each map."""
    maps = result["localisation"]["maps"]
    if any("au_spro" in found for found in maps.values()):
        limits = list(next(iter(maps.values()))["au_spro"])
        rows = [
            (f"{name}, {kind}", [found["au_spro"][limit][kind] for limit in limits])
            for name, found in maps.items()
            for kind in ("logical", "structural", "mean")
        ]
        return Table("AU-sPRO to FPR", limits, rows)
    limits = list(next(iter(maps.values()))["au_pro"])
    rows = [
        (name, [*(found["au_pro"][limit] for limit in limits), found["pixel_auroc"]])
        for name, found in maps.items()
    ]
    return Table("map", [*(f"AU-PRO {limit}" for limit in limits), "pixel AUROC"], rows)


def pixel_table(result: Mapping[str, Any]) -> Table:
    """Pixel, region and track numbers of each map."""
    columns = ["pixel AUROC", "UCSD AUC", "EER", "dual AUC", "EER", "RBDC", "TBDC"]
    rows = [
        (
            name,
            [
                found["pixel_auroc"]["auroc"],
                *(
                    found[criterion][value]
                    for criterion in ("ucsd", "dual_pixel")
                    for value in ("auc", "eer_interpolated")
                ),
                found["regions"]["rbdc"],
                found["regions"]["tbdc"],
            ],
        )
        for name, found in result["pixels"]["maps"].items()
    ]
    return Table("map", columns, rows)


def table_lines(table: Table) -> list[str]:
    """A table for a terminal."""
    widths = [max(11, len(column) + 2) for column in table.columns]
    first = max([len(table.title), *(len(name) for name, _ in table.rows)]) + 2
    lines = [
        f"{table.title:<{first}}"
        + "".join(f"{c:>{w}}" for c, w in zip(table.columns, widths, strict=True))
    ]
    for name, values in table.rows:
        cells = "".join(f"{number(v):>{w}}" for v, w in zip(values, widths, strict=True))
        lines.append(f"{name:<{first}}{cells}")
    return lines


def kind_text(result: Mapping[str, Any]) -> str:
    """An evaluation of whole clips or of images: the numbers, then what they mean."""
    protocol, memory = result["protocol"], result["protocol"]["memory"]
    if result["kind"] == "clips":
        lines = [
            f"{result['dataset']}: {result['clips']} clips, {result['abnormal_clips']} of them "
            f"abnormal; {result['scored_frames']} of {result['frames']} frames scored",
            "",
            *table_lines(video_table(result)),
            "",
        ]
        for pooling, interval in result["video_auc_interval_95"].items():
            if interval:
                lines.append(
                    f"95 % interval by clip, {POOLED[pooling]} of the combined score: "
                    f"{number(interval[0])} to {number(interval[1])}"
                )
        lines += [
            "A clip's score is pooled from raw frame scores, never scaled by clip. combined: no "
            "look-ahead,",
            "two parts by ranks among normal frames, one alone as it is. number of frames: 0.5 "
            "says that",
            "the length of a clip tells nothing.",
        ]
    else:
        found = result["localisation"]
        lines = [
            f"{result['dataset']}: {result['scored_frames']} images, {result['abnormal_frames']} "
            "of them with defects",
            "",
            *table_lines(image_table(result)),
            "",
            *table_lines(localisation_table(result)),
            "",
            *(f"{name} = {what}" for name, what in found["protocol"]["maps"].items()),
            f"maps resized {found['protocol']['resized']}",
        ]
        if found["left_out_images"]:
            lines.append(
                f"{found['left_out_images']} image(s) with defects but without a mask are left out "
                "of the maps' numbers"
            )
    lines.append(
        f"memory: {memory['policy']}, {100 * memory['share_of_frames_that_updated']:.1f} % of the "
        f"{'images' if result['kind'] == 'images' else 'frames'} passed the gate; "
        f"lambda {protocol['lambda']:g}"
    )
    return "\n".join(lines)


def pixel_lines(result: Mapping[str, Any]) -> list[str]:
    """Where in the frames, for a terminal."""
    found = result["pixels"]
    lines = [
        f"pixels: {found['frames']} frames of {found['clips']} clips with masks",
        *table_lines(pixel_table(result)),
        *(f"{name} = {what}" for name, what in found["protocol"]["maps"].items()),
        f"maps resized {found['protocol']['resized']}; regions {found['protocol']['regions']}",
    ]
    reached = {n: m["regions"]["fpr_reached"] for n, m in found["maps"].items()}
    lines.append(
        "false positives a frame reached by regions, flat from there to 1: "
        + ", ".join(f"{name} {value:.3f}" for name, value in reached.items())
    )
    for sentence in pixel_gaps(result):
        lines.append(sentence)
    return lines


def pixel_gaps(result: Mapping[str, Any]) -> list[str]:
    """What the pixel numbers leave out, in sentences."""
    found, told = result["pixels"], []
    if found["left_out_clips"]:
        told.append(
            f"{len(found['left_out_clips'])} clip(s) have abnormal frames but no masks and are "
            f"left out of the pixel numbers: {', '.join(found['left_out_clips'])}."
        )
    if found["left_out_frames"]:
        told.append(
            f"{found['left_out_frames']} abnormal frame(s) without a mask are left out of the "
            "pixel numbers."
        )
    if found["in_part"]:
        told.append(
            "Of clips that failed, frames before that are in the pixel numbers: "
            f"{', '.join(found['in_part'])}."
        )
    return told
