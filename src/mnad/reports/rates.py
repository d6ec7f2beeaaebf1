"""ROC and precision-recall curves of a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnad.evaluation.kinds_text import number
from mnad.evaluation.text import COLUMNS
from mnad.metrics.curves import Band, Curves

Array = NDArray[np.float64]


def rates_plot(
    result: Mapping[str, Any], curves: Mapping[str, Curves], title: str, across: str, up: str
) -> dict[str, Any]:
    """A plot of rates: of each protocol the curve and its band as SVG paths over 0..1.

    Args:
        result: of `mnad.evaluation.run.evaluate_model`.
        curves: by protocol.
        title: of the plot; that of a ROC begins so.
        across: what is drawn from left to right.
        up: what is drawn upwards.
    """
    roc = title.startswith("ROC")
    lines = []
    for protocol, own in curves.items():
        x, y = (own.fpr, own.tpr) if roc else _corners(own.recall, own.precision)
        area = result["auc" if roc else "ap"][protocol]
        lines.append(
            {
                "name": COLUMNS[protocol],
                "area": number(area),
                "line": _polyline(x, y),
                "band": _outline(own.roc_band if roc else own.pr_band),
            }
        )
    share = result["abnormal_frames"] / max(1, result["scored_frames"])
    return {
        "title": title,
        "across": across,
        "up": up,
        "area": "AUC" if roc else "AP",
        "chance": "M0 1L1 0" if roc else f"M0 {1 - share:.4f}H1",
        "lines": lines,
    }


def rates_data(curves: Curves, kind: int, name: str) -> dict[str, Any]:
    """What can be read off a curve: the ROC (0) or precision and recall (1)."""
    if kind == 0:
        x, y, band = curves.fpr, curves.tpr, curves.roc_band
    else:
        x, y, band = curves.recall, curves.precision, curves.pr_band
    return {
        "name": name,
        "x": np.round(x, 5).tolist(),
        "y": np.round(y, 5).tolist(),
        "band": None
        if band is None
        else [np.round(v, 4).tolist() for v in (band.x, band.low, band.high)],
    }


def _corners(recall: Array, precision: Array) -> tuple[Array, Array]:
    """The corners of the steps of a precision-recall curve."""
    return np.repeat(np.append(0, recall), 2)[1:-1], np.repeat(precision, 2)


def _polyline(x: Array, y: Array) -> str:
    return "M" + "L".join(f"{a:.5f} {1 - b:.5f}" for a, b in zip(x, y, strict=True))


def _outline(band: Band | None) -> str:
    if band is None:
        return ""
    back = slice(None, None, -1)
    x, y = np.append(band.x, band.x[back]), np.append(band.high, band.low[back])
    return _polyline(x, y) + "Z"
