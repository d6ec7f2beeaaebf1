"""The page of an evaluation: its numbers are those of the result, and it needs nothing else."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from browser import CHROMIUM, opened
from footage import TINY, moving_square
from sklearn.metrics import auc

import mnad
from mnad.config import MethodConfig, ModelConfig, NetworkConfig
from mnad.evaluation.kinds_text import number
from mnad.evaluation.text import COLUMNS, rows_of
from mnad.models.folder import Model, build_network, save_model


class Page(HTMLParser):
    """Rows of the tables by their id, attributes, texts of some elements."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self._table = ""
        self.html = file.read_text(encoding="utf-8")
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.texts.setdefault(tag, []).append("")
        if tag not in ("meta", "img", "br"):
            self._open.append(tag)
        if tag == "table":
            self._table = dict(attrs).get("id") or ""
            self.tables[self._table] = []
        elif tag == "tr":
            self.tables[self._table].append([])
        elif tag in ("td", "th"):
            self.tables[self._table][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        for tag in set(self._open):
            self.texts[tag][-1] += data
        if {"td", "th"} & set(self._open):
            self.tables[self._table][-1][-1] += data.strip()

    @property
    def data(self) -> Any:
        return json.loads(re.search(r'id="data">(.*?)</script>', self.html, re.S)[1])  # type: ignore[index]


def write_clip(folder: Path, seed: int, label: np.ndarray) -> None:
    folder.mkdir(parents=True)
    clip = moving_square(len(label), seed=seed)
    clip[label > 0, 20:30, 4:14] = 0
    for t, frame in enumerate(clip):
        cv2.imwrite(str(folder / f"{t}.png"), frame)
    np.save(folder.with_suffix(".npy"), label.astype(np.uint8))


def untrained(folder: Path, **network: Any) -> Path:
    """A model that was never shown normal footage."""
    size = NetworkConfig(channels=1, width=0.05, height=32, image_width=32, **network)
    config = ModelConfig(size, MethodConfig())
    save_model(folder, Model(config, build_network(config)))
    return folder


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """A result and its report: three clips, one of them wholly normal."""
    root = tmp_path_factory.mktemp("report")
    write_clip(root / "data/training/a", 0, np.zeros(40))
    write_clip(root / "data/testing/b<script>&amp;", 1, np.arange(60) % 40 >= 20)
    write_clip(root / "data/testing/d", 2, np.arange(50) >= 30)
    write_clip(root / "data/testing/e", 3, np.zeros(30))
    options = {**TINY, "epochs": 2}
    mnad.train(str(root / "data"), out=root / "model", preset="official", **options)
    result = mnad.evaluate(root / "model", str(root / "data"), report=root / "report")
    return result, root / "report"


def test_every_number_on_the_page_is_the_results(evaluated: tuple[dict[str, Any], Path]) -> None:
    result, folder = evaluated
    page = Page(folder / "evaluation.html")
    table = page.tables["numbers"]
    assert table[0] == ["", *COLUMNS.values()]
    interval = table.pop(2)
    low, high = result["auc_interval_95"]["causal_micro"]
    assert interval[3] == f"{number(low)} –{number(high)}"
    expected = [[name.strip(), *(number(v[c]) for c in COLUMNS)] for name, v in rows_of(result)]
    assert table[1:] == expected
    assert {"control: frame index", "camera score (smoothed peak)"} <= {row[0] for row in table}

    rows = page.tables["clips"][1:]
    damage = result["damage"]["causal_micro"]
    assert [row[0] for row in rows] == sorted(damage, key=lambda n: -damage[n]["damage"])
    for name, frames, area, *costs in rows:
        facts = result["macro"]["clips"][name]
        assert (frames, area) == (f"{facts['normal']} + {facts['abnormal']}", number(facts["auc"]))
        own = [damage[name][k] for k in ("damage", "missed", "false_alarms", "without")]
        own.append(result["damage"]["per_clip_minmax_micro"][name]["damage"])
        assert costs == [number(value) for value in own]

    shown = dict(zip(page.texts["dt"], page.texts["dd"], strict=False))
    assert shown["labels sha256"] == result["protocol"]["labels_sha256"]
    assert shown["memory: policy"] == "carried"
    assert shown["training: seed"] == "0"
    for name, clip in zip(result["frames_detail"], page.data["clips"], strict=True):
        detail = result["frames_detail"][name]
        assert (clip["frame"], clip["label"]) == (detail["index"], detail["label"])
        np.testing.assert_allclose(clip["score"], detail["score"], atol=5.1e-5)
        np.testing.assert_allclose(clip["psnr"], detail["psnr"], atol=5.1e-3)


def test_the_curves_on_the_page_have_the_areas_beside_them(
    evaluated: tuple[dict[str, Any], Path],
) -> None:
    result, folder = evaluated
    roc, recall = Page(folder / "evaluation.html").data["rates"]
    assert [line["name"] for line in roc] == ["causal", "per clip"]
    for protocol, line, steps in zip(
        ("causal_micro", "per_clip_minmax_micro"), roc, recall, strict=True
    ):
        area = auc(line["x"], line["y"])
        assert area == pytest.approx(result["auc"][protocol], abs=1e-4)
        assert len(line["band"]) == 3
        summed = (np.diff(steps["x"], prepend=0) * steps["y"]).sum()
        assert summed == pytest.approx(result["ap"][protocol], abs=1e-4)


def test_the_abnormal_intervals_are_shaded_frame_by_frame(
    evaluated: tuple[dict[str, Any], Path],
) -> None:
    result, folder = evaluated
    page = Page(folder / "evaluation.html")
    drawn = re.findall(r'class="truth" d="([^"]*)"', page.html)
    for spans, clip in zip(drawn, result["frames_detail"].values(), strict=True):
        shaded = set()
        for first, last in re.findall(r"M([\d.]+) -.06V1.04H([\d.]+)V", spans):
            shaded |= set(range(int(float(first)), int(float(last))))
        assert shaded == {i for i, y in zip(clip["index"], clip["label"], strict=True) if y}


def test_nothing_is_fetched_and_every_file_is_there(
    evaluated: tuple[dict[str, Any], Path],
) -> None:
    _, folder = evaluated
    page = Page(folder / "evaluation.html")
    links = [value for _, name, value in page.attributes if name in ("href", "src")]
    beside = {link for link in links if not link.startswith(("#", "data:image/jpeg;base64,"))}
    assert beside == {f.name for f in folder.iterdir()} - {"evaluation.html"}
    assert "http" not in " ".join(beside) and "url(" not in page.html
    policies = [v for tag, name, v in page.attributes if tag == "meta" and name == "content"]
    assert any(policy.startswith("default-src 'none'") for policy in policies)
    # The name of a clip stays text.
    assert sum(tag == "script" for tag, name, _ in page.attributes if name == "type") == 1
    assert "b<script>&amp;" in page.texts["b"]
    for name in ("scores.png", "roc.png", "precision_recall.png"):
        assert (folder / name).read_bytes()[:4] == b"\x89PNG"
    pictures = [v for tag, name, v in page.attributes if tag == "img" and name == "src"]
    assert len(pictures) >= 8 and len(pictures) % 2 == 0


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("label", ["both", "normal", "abnormal"])
def test_a_single_clip_and_a_model_without_reference(
    tmp_path: Path, memory: bool, label: str
) -> None:
    truth = {"both": np.arange(14) >= 9, "normal": np.zeros(14), "abnormal": np.ones(14)}[label]
    write_clip(tmp_path / "data/testing/only", 1, truth)
    model = untrained(tmp_path / "model", memory=memory)
    result = mnad.evaluate(model, str(tmp_path / "data"), report=tmp_path / "deep/report")
    page = Page(tmp_path / "deep/report/evaluation.html")
    (row,) = page.tables["clips"][1:]
    assert row[3] == number(
        None if label != "both" else 1 - result["auc"]["whole_set_minmax_micro"]
    )
    assert ("roc.png" in page.html) == (label == "both")
    (heading,) = page.texts["h1"]
    assert ("undefined" in heading) == (label != "both")
    assert ("never shown normal footage" in page.html) == memory
    assert ("has one part" in page.html) == (not memory)
    kinds = {"both": 2, "normal": 1, "abnormal": 1}[label]
    assert sum("Worst" in text for text in page.texts["h2"]) == kinds


def test_a_report_where_a_file_is_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(mnad.UsageError, match="taken cannot be a folder"):
        mnad.evaluate(tmp_path / "no-model", "no-data", report=tmp_path / "taken")


PERSON = """
<script>
addEventListener("load", () => setTimeout(() => {
  const told = {}, plots = [...document.querySelectorAll(".plot")];
  const over = (plot, share, type) => {
    const box = plot.getBoundingClientRect();
    plot.dispatchEvent(new PointerEvent(type ?? "pointermove",
      {bubbles: true, clientX: box.left + 1 + share * plot.clientWidth, clientY: box.top + 5}));
    return plot.parentElement.querySelector("output").textContent;
  };
  const clip = document.querySelector('[data-clip="1"]');
  told.clip = over(clip, 0.5);
  clip.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}));
  told.next = clip.parentElement.querySelector("output").textContent;
  told.end = over(clip, 0.9999);
  told.roc = over(document.querySelector('[data-rates="0"]'), 0.5, "pointerdown");
  told.recall = over(document.querySelector('[data-rates="1"]'), 0.5);
  const link = document.querySelector(".cards a");
  link.click();
  const curve = document.querySelector(link.getAttribute("href"));
  told.link = [link.textContent, curve.querySelector("output").textContent];
  told.width = [document.documentElement.scrollWidth, innerWidth];
  told.opaque = getComputedStyle(document.body).backgroundColor;
  document.body.dataset.told = JSON.stringify(told);
}, 300));
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_values_are_read_by_pointing_on_a_narrow_dark_screen(
    evaluated: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    result, folder = evaluated
    file = tmp_path / "page.html"
    file.write_text((folder / "evaluation.html").read_text() + PERSON)
    flags = ("--blink-settings=preferredColorScheme=0", "--window-size=500,900")
    html, told = opened(file, tmp_path / "profile", *flags)
    assert "data-error" not in html
    assert told["width"][0] <= told["width"][1]
    assert told["opaque"] == "rgb(17, 20, 26)"

    name = list(result["frames_detail"])[1]
    detail = result["frames_detail"][name]
    for key, frame in (("clip", None), ("next", None), ("end", detail["index"][-1])):
        said = told[key]
        at = detail["index"].index(int(re.match(r"frame (\d+)", said)[1]))  # type: ignore[index]
        if frame is not None:
            assert detail["index"][at] == frame
        # The page holds four digits of them.
        score, per_clip = (round(detail[key][at], 4) for key in ("score", "per_clip"))
        assert f"causal {score:.3f} · per clip {per_clip:.3f}" in said
        assert f"PSNR {detail['psnr'][at]:.2f} dB" in said
        assert said.endswith("abnormal" if detail["label"][at] else "· normal")
    middle = (len(detail["index"]) - 1) / 2
    assert abs(int(re.match(r"frame (\d+)", told["clip"])[1]) - 4 - middle) <= 1  # type: ignore[index]
    read = float(re.search(r"causal ([\d.]+)", told["roc"])[1])  # type: ignore[index]
    line = Page(folder / "evaluation.html").data["rates"][0][0]
    assert read == pytest.approx(np.interp(0.5, line["x"], line["y"]), abs=0.03)
    assert told["roc"].startswith("false positive rate 0.50")
    assert told["recall"].startswith("recall 0.50")
    heading, said = told["link"]
    assert said.startswith(f"frame {heading.rsplit(' ', 1)[1]} ·")
