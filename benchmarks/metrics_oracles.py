r"""Our metrics beside other people's code, on the same random and the same real inputs.

    OMP_NUM_THREADS=1 python benchmarks/metrics_oracles.py --loco EFFICIENTAD --mvtec MODELS \
        --aed AED --data PED2 --json FILE

EFFICIENTAD is a clone of cinout/EfficientAD, which has the owners' evaluation of MVTec LOCO AD;
MODELS one of iamstarlee/Models-for-Industrial-Defect-Detection, which has that of MVTec AD; AED one
of lilygeorgescu/AED, whose RBDC/TBDC script is run as a process of its own. Nothing of theirs is
copied. torchmetrics, anomalib, tifffile and matplotlib have to be installed. PED2 is the folder of
UCSD Ped2 with pixel_masks.npz: its real masks, and as maps the blurred difference of one frame to
the one before.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from script import run
from sklearn.metrics import roc_auc_score

from mnad.metrics.frame import causal_micro
from mnad.metrics.pixel import PixelRoc
from mnad.metrics.pro import Defect, Pro, Spro, image_auroc
from mnad.metrics.region import region_metrics
from mnad.metrics.region_maps import detections_of, track_boxes, track_maps
from mnad.writing import require_folder

Array = NDArray[Any]
Images = list[tuple[Array, list[Defect]]]
Row = dict[str, Any]

LIMITS = (0.01, 0.05, 0.1, 0.3, 1.0)
EVERY = 10
"""Of Ped2 every tenth frame goes to the pixel metrics: others keep all pixels in memory."""


def row(quantity: str, given: str, ours: float | None, theirs: float, note: str = "") -> Row:
    """One comparison."""
    assert ours is not None
    found: Row = {"quantity": quantity, "input": given, "ours": ours, "theirs": theirs}
    return found | {"difference": ours - theirs} | ({"note": note} if note else {})


def random_images(seed: int, count: int = 12) -> Images:
    """Maps without equal values, and defects of every kind of saturation."""
    rng = np.random.default_rng(seed)
    images: Images = []
    for number in range(count):
        one = rng.random((40, 50)).astype(np.float32)
        defects = []
        for _ in range(number % 3):
            mask = np.zeros(one.shape, bool)
            top, left = rng.integers(0, 30, 2)
            mask[top : top + rng.integers(3, 10), left : left + rng.integers(3, 20)] = True
            one[mask] += np.float32(rng.uniform(0, 1))
            relative = bool(rng.integers(0, 2))
            size = float(rng.uniform(0.1, 1)) if relative else int(rng.integers(1, 60))
            defects.append(Defect(mask, size, relative))
        images.append((one, defects))
    return images


def ped2(folder: Path) -> Iterator[tuple[str, int, Array, Array]]:
    """Clip, number, map and mask of every test frame but the first of each clip."""
    masks = np.load(folder / "pixel_masks.npz")
    for clip in sorted((folder / "testing" / "frames").iterdir()):
        before = None
        truth = masks[f"Test{int(clip.name):03d}"]
        for number, file in enumerate(sorted(clip.glob("*.jpg"))):
            grey = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
            assert grey is not None
            now = grey.astype(np.float32)
            if before is not None:
                found = cv2.GaussianBlur(np.abs(now - before), (0, 0), 3)
                yield clip.name, number, found, truth[number]
            before = now


def loco(clone: Path) -> list[Row]:
    """The owners' AU-sPRO: their functions at every threshold, and by their own refinement."""
    sys.path.insert(0, str(clone / "mvtec_loco_ad_evaluation"))
    image, metrics = import_module("src.image"), import_module("src.metrics")
    aggregation, util = import_module("src.aggregation"), import_module("src.util")
    rows = []
    for seed in range(3):
        # Rounded maps have few thresholds and many ties; theirs refines only maps without.
        for digits in (2, None):
            images = random_images(seed)
            if digits is not None:
                images = [(one.round(digits), defects) for one, defects in images]
            ours = Spro()
            maps, truths = [], []
            for number, (one, defects) in enumerate(images):
                ours.add(one, defects)
                maps.append(image.AnomalyMap(one, str(number)))
                channels = [
                    image.GroundTruthChannel(
                        np.asarray(d.mask, bool),
                        image.DefectConfig("d", 1, d.saturation_threshold, d.relative_saturation),
                    )
                    for d in defects
                ]
                with quiet():
                    truths.append(image.GroundTruthMap(channels) if channels else None)
            with quiet():
                if digits is None:
                    np.random.seed(0)
                    found = aggregation.MetricsAggregator(truths, maps).run(0.001)
                    fpr, spro = found.get_fp_rates(), found.get_mean_spros()
                else:
                    values = np.unique(np.concatenate([one.ravel() for one, _ in images]))
                    steps = [float(values[-1]) + 1, *values[::-1], float(values[0]) - 1]
                    own = metrics.get_spros_of_defects_of_images(truths, maps, steps)
                    spro = np.mean([s for several in own for s in several], axis=0)
                    fp, tn = metrics.get_fp_tn_areas_per_image(truths, maps, steps)
                    fpr = metrics.get_fp_rates(fp, tn)
            how = "refined to 0.001 as in the script" if digits is None else "at all thresholds"
            for limit in LIMITS:
                theirs = float(util.get_auc_for_max_fpr(fpr, spro, limit))
                given = f"random{'' if digits is None else ', with ties'}, seed {seed}"
                rows.append(row(f"AU-sPRO {limit}, {how}", given, ours.area(limit).value, theirs))
    rng = np.random.default_rng(0)
    for name, good, bad in (
        ("2 and 2 images without ties", [0.1, 0.4], [0.3, 0.9]),
        ("random, without ties", rng.random(50).tolist(), (rng.random(40) + 0.2).tolist()),
        ("ok [.5, .5], nok [.5, .5]", [0.5, 0.5], [0.5, 0.5]),
        ("ok [.5, .2], nok [.5, .9]", [0.5, 0.2], [0.5, 0.9]),
    ):
        theirs = float(util.compute_classification_auc_roc(good, bad))
        ours_ = image_auroc(good, bad)
        known = roc_auc_score([0] * len(good) + [1] * len(bad), good + bad)
        wrong = abs(theirs - known) > 1e-9
        note = f"theirs is wrong at ties; scikit-learn: {known:g}" if wrong else ""
        rows.append(row("image AUROC", name, ours_, theirs, note))
    return rows


def mvtec(clone: Path, images: Images, masks: list[Array], given: str) -> list[Row]:
    """The owners' AU-PRO."""
    if str(clone) not in sys.path:
        sys.path.insert(0, str(clone / "mvtec_ad_evaluation"))
    with quiet():
        curve, generic = import_module("pro_curve_util"), import_module("generic_util")
        fpr, pro = curve.compute_pro([one for one, _ in images], masks)
    ours = Pro()
    for (one, _), mask in zip(images, masks, strict=True):
        ours.add(one, mask)
    return [
        row(
            f"AU-PRO {limit}",
            given,
            ours.area(limit).value,
            float(generic.trapezoid(fpr, pro, x_max=limit) / limit),
            f"{ours.regions} regions; ours off by {ours.area(limit).bound:.1g} at most",
        )
        for limit in LIMITS
    ]


def packaged(maps: Array, masks: Array, given: str) -> list[Row]:
    """What others have packaged: torchmetrics, anomalib, scikit-learn."""
    import torch
    from anomalib.metrics.aupro import _AUPRO
    from torchmetrics.classification import BinaryAUROC, BinaryAveragePrecision, BinaryEER

    ours, pro = PixelRoc(), Pro()
    for one, mask in zip(maps, masks, strict=True):
        ours.add(one, mask)
        pro.add(one, mask)
    value, truth = torch.tensor(maps), torch.tensor(masks.astype(np.int64))
    # Values outside 0..1 would be put through a sigmoid, which makes ties.
    unit = value / value.max()
    found = ours.value()
    bound = f"ours off by {found.error_bound:.1g} at most"
    rows = [
        row(
            "pixel AUROC, scikit-learn",
            given,
            found.auroc,
            float(roc_auc_score(masks.ravel(), maps.ravel())),
            bound,
        ),
        row(
            "pixel AUROC, torchmetrics",
            given,
            found.auroc,
            float(BinaryAUROC(thresholds=None)(unit.ravel(), truth.ravel())),
            bound,
        ),
    ]
    auproer = _AUPRO(fpr_limit=0.3)
    auproer.update(value, truth)
    rows.append(row("AU-PRO 0.3, anomalib", given, pro.area(0.3).value, float(auproer.compute())))
    # One score a frame, for what is said of frames.
    labels, scores = masks.any(axis=(1, 2)).astype(int), unit.numpy().max(axis=(1, 2))
    frames = causal_micro({"all": labels}, {"all": scores})
    pair = torch.tensor(scores), torch.tensor(labels)
    for name, own, theirs, note in (
        ("frame AUC", frames.auc, BinaryAUROC(thresholds=None), ""),
        ("frame AP", frames.ap, BinaryAveragePrecision(thresholds=None), ""),
        (
            "frame EER",
            frames.eer_interpolated,
            BinaryEER(thresholds=None),
            "not the same: ours interpolated, theirs the mean of both rates at the nearest point",
        ),
    ):
        rows.append(row(f"{name}, torchmetrics", given, own, float(theirs(*pair)), note))
    return rows


def aed(
    clone: Path,
    tracks: Mapping[str, Array],
    detections: Mapping[str, Array],
    frames: int,
    given: str,
) -> list[Row]:
    """The script of Georgescu et al., as a process."""
    ours = region_metrics(tracks, detections, frames)
    with tempfile.TemporaryDirectory() as folder:
        for name, clips in (("tracks", tracks), ("found", detections)):
            (Path(folder) / name).mkdir()
            for clip, rows in clips.items():
                np.savetxt(Path(folder) / name / f"{clip}.txt", rows, delimiter=",", fmt="%.17g")
        script = clone / "evaluation" / "compute_tbdc_rbdc.py"
        done = subprocess.run(
            [
                *(sys.executable, str(script), f"--num-frames={frames}"),
                *("--tracks-path", f"{folder}/tracks", "--anomalies-path", f"{folder}/found"),
            ],
            env=os.environ | {"MPLBACKEND": "Agg"},
            capture_output=True,
            text=True,
            check=True,
        )
    theirs = {n: float(v) for n, v in re.findall(r"(tbdc|rbdc) = (\S+)", done.stdout)}
    note = f"{ours.tracks} tracks, {ours.regions} regions, {ours.detections} detections"
    return [
        row("RBDC", given, ours.rbdc, theirs["rbdc"], note),
        row("TBDC", given, ours.tbdc, theirs["tbdc"], note),
    ]


def jittered(tracks: Mapping[str, Array], seed: int) -> dict[str, Array]:
    """Detections: two in three of the boxes moved about, and as many anywhere; scores differ."""
    rng = np.random.default_rng(seed)
    found = {}
    for clip, rows in tracks.items():
        taken = rows[rng.random(len(rows)) < 0.67, 1:]
        moved = taken[:, 1:] + np.round(rng.normal(0, 25, (len(taken), 4)))
        corner = rng.integers(0, 300, (len(taken) + 2, 2))
        stray = np.hstack([corner, corner + rng.integers(5, 80, corner.shape)])
        boxes = np.vstack([moved, stray]).astype(float)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2])
        numbers = np.concatenate([taken[:, 0], rng.integers(0, 200, len(stray))])
        found[clip] = np.column_stack([numbers, boxes, rng.random(len(boxes))])
    return found


def regions(clone: Path, data: Path) -> list[Row]:
    """Real tracks: those of ShanghaiTech in the clone, those of Ped2's masks."""
    files = sorted((clone / "annotations" / "ShanghaiTech").glob("[0-9]*.txt"))
    tracks = {f.stem: np.loadtxt(f, delimiter=",", ndmin=2) for f in files}
    rows = aed(clone, tracks, jittered(tracks, 0), 40_791, "tracks of ShanghaiTech, random boxes")
    rows += aed(clone, tracks, jittered(tracks, 1), 9_000, "the same, FPR beyond 1")
    by_clip: dict[str, list[Array]] = {}
    found: dict[str, list[Array]] = {}
    count = 0
    for clip, number, one, mask in ped2(data):
        by_clip.setdefault(clip, []).append(mask)
        own = detections_of(one, number - 1, 20.0, min_area=20)
        # Equal scores are taken in the order of the clips, which the script leaves to the disk.
        own[:, 5] += 1e-7 * (count + np.arange(len(own)))
        count += len(own)
        found.setdefault(clip, []).append(own)
    masks = {clip: track_boxes(track_maps(own)) for clip, own in by_clip.items()}
    given = "Ped2: tracks of its masks, regions of frame differences above 20 grey levels"
    frames = sum(map(len, by_clip.values()))
    stacked = {clip: np.vstack(own) for clip, own in found.items()}
    return rows + aed(clone, masks, stacked, frames, given)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without their progress bars."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def commit(clone: Path) -> str:
    done = subprocess.run(
        ["git", "-C", str(clone), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def main() -> None:
    """Compare and write; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("loco", "mvtec", "aed", "data", "json"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    require_folder(given.json)
    sampled = [(one, mask) for _, number, one, mask in ped2(given.data) if number % EVERY == 0]
    maps, masks = (np.stack(part) for part in zip(*sampled, strict=True))
    what = f"Ped2, every {EVERY}th frame, frame differences"
    random = random_images(7)
    unions = [
        np.any([np.zeros(one.shape, bool), *(np.asarray(d.mask) for d in own)], axis=0)
        for one, own in random
    ]
    comparisons = {
        "RBDC/TBDC script": regions(given.aed, given.data),
        "LOCO evaluation": loco(given.loco),
        "MVTec AD evaluation": mvtec(given.mvtec, random, unions, "random, seed 7")
        + mvtec(given.mvtec, [(one, []) for one in maps], list(masks), what),
        "torchmetrics, anomalib, scikit-learn": packaged(
            np.stack([one for one, _ in random]), np.stack(unions), "random, seed 7"
        )
        + packaged(maps, masks, what),
    }
    result = {
        "protocol": "the same arrays through ours and theirs; nothing was chosen by the outcome",
        "command": "python benchmarks/metrics_oracles.py --loco EFFICIENTAD --mvtec MODELS "
        "--aed AED --data PED2 --json FILE",
        "oracles": {
            "LOCO evaluation": f"cinout/EfficientAD@{commit(given.loco)}",
            "MVTec AD evaluation": "iamstarlee/Models-for-Industrial-Defect-Detection@"
            + commit(given.mvtec),
            "RBDC/TBDC script": f"lilygeorgescu/AED@{commit(given.aed)}",
        },
        "comparisons": comparisons,
        "versions": {
            name: version(name)
            for name in ("numpy", "scipy", "scikit-learn", "torch", "torchmetrics", "anomalib")
        },
        "machine": platform.machine(),
    }
    given.json.write_text(json.dumps(result, indent=1) + "\n")
    for name, rows in comparisons.items():
        for one in rows:
            print(f"{name}: {one['quantity']} ({one['input']}): {one['difference']:+.2e}")


if __name__ == "__main__":
    run(main)
