"""What the page does in a browser."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, opened

from mnad.events.event import Event
from mnad.reports.page import Gap, Report, write_page

# Appended to the page: it does what a person does, and writes down what came of it.
PERSON = """
<script>
addEventListener("load", () => setTimeout(() => {
  const $ = s => document.querySelector(s), plot = $(".plot"), told = {};
  const box = plot.getBoundingClientRect();
  const x = seconds => box.left + 1 + seconds / 8000 * plot.clientWidth;
  const note = name => {
    const style = getComputedStyle($("#timeline"));
    const [from, span] = ["--from", "--span"].map(v => +style.getPropertyValue(v));
    const band = $(".band.gap").getBoundingClientRect();
    told[name] = {from, span, reading: $("output").textContent,
      view: $(".plot svg").getAttribute("viewBox"),
      ticks: [...document.querySelectorAll(".ticks > span")].map(t => t.textContent),
      band: (band.left - box.left - 1) / plot.clientWidth, marked: !$(".cursor").hidden};
  };
  const send = (kind, type, values) =>
    plot.dispatchEvent(new kind(type, {bubbles: true, cancelable: true, pointerId: 1, ...values}));
  const pointer = (type, seconds, values) => send(PointerEvent, type,
    {clientX: x(seconds), clientY: box.top + 50, pointerType: "mouse", button: 0, ...values});
  const key = k => send(KeyboardEvent, "keydown", {key: k});
  plot.setPointerCapture = () => {};
  note("start");
  pointer("pointermove", 2002); note("hover");
  pointer("pointermove", 4100); note("gap");
  send(WheelEvent, "wheel", {deltaY: -200, clientX: x(2000)}); note("wheel");
  send(MouseEvent, "dblclick", {}); note("reset");
  pointer("pointerdown", 1000); pointer("pointermove", 2000);
  pointer("pointermove", 3000); pointer("pointerup", 3000);
  note("drag");
  key("0"); note("key0");
  key("p"); note("before"); key("+"); note("plus"); key("-"); key("n"); note("next");
  key("Escape");
  const touch = (type, id, seconds) =>
    pointer(type, seconds, {pointerType: "touch", pointerId: id});
  touch("pointerdown", 7, 3000); touch("pointerdown", 8, 5000);
  touch("pointermove", 7, 2000); touch("pointermove", 8, 6000);
  touch("pointerup", 7, 2000); touch("pointerup", 8, 6000);
  note("pinch");
  $("#event-2 h3").click(); note("card");
  key("0"); send(MouseEvent, "click", {clientX: x(2005)}); told.hash = location.hash;
  told.width = [document.documentElement.scrollWidth, innerWidth];
  told.buttons = [...document.querySelectorAll("button")].filter(b => !b.hidden).length;
  told.opaque = getComputedStyle(document.body).backgroundColor;
  document.body.dataset.told = JSON.stringify(told);
}, 300));
</script>
"""


def event(number: int, start: float) -> Event:
    return Event(
        f"e{number}", "end", "anomaly", "anomaly", "gate", start, start + 10, None,
        0.95, start + 4, 1, 0.8,
    )  # fmt: skip


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_zoom_and_reading_in_a_browser(tmp_path: Path) -> None:
    seconds = np.arange(0, 8001.0)
    scores = np.full(8001, 0.25)
    scores[2003] = 0.95
    scores[4000:4200] = np.nan
    report = Report(
        "</script>Gate",
        "gate",
        8000,
        200_000,
        np.column_stack((seconds, scores)),
        threshold=0.8,
        started_at=datetime(2026, 11, 23, 14, 0, tzinfo=UTC),
        events=[event(1, 2000), event(2, 6000)],
        gaps=[Gap(4000, 4200, "connection lost")],
    )
    file = tmp_path / "report.html"
    write_page(file, report)
    with file.open("a", encoding="utf-8") as page:
        page.write(PERSON)
    html, told = opened(file, tmp_path / "profile", "--window-size=1200,900")
    assert "data-error" not in html

    assert told["start"]["span"] == 8000
    assert told["start"]["band"] == pytest.approx(4000 / 8000, abs=1e-3)
    assert told["start"]["ticks"][1] == "14:15:0000:15:00"
    # One pixel is some 8 s: what is read is the highest score in it, as that is what shows.
    assert told["hover"]["marked"]
    assert told["hover"]["reading"] == "00:33:22 · 14:33:22 · score 0.950 · Event 1"
    assert "no score · No picture: connection lost" in told["gap"]["reading"]

    wheel = told["wheel"]
    assert wheel["span"] == pytest.approx(8000 * np.exp(-0.4), rel=1e-6)
    assert (2000 - wheel["from"]) / wheel["span"] == pytest.approx(0.25, abs=1e-3)
    assert wheel["band"] == pytest.approx((4000 - wheel["from"]) / wheel["span"], abs=1e-3)
    assert [float(v) for v in wheel["view"].split()] == pytest.approx(
        [wheel["from"], -0.06, wheel["span"], 1.1]
    )
    for name in ("reset", "key0"):
        assert (told[name]["from"], told[name]["span"]) == (0, 8000)
    assert told["drag"]["from"] == pytest.approx(1000, abs=8)
    assert told["drag"]["span"] == pytest.approx(2000, abs=16)

    assert "Event 1" in told["before"]["reading"]
    assert (
        told["before"]["from"]
        < 2000
        < 2010
        < told["before"]["from"] + told["before"]["span"]
        < 2100
    )
    assert told["plus"]["span"] == pytest.approx(told["before"]["span"] / 2)
    assert "Event 2" in told["next"]["reading"]
    # The fingers keep the times under them, 3000 and 5000, while they go twice as far apart.
    assert told["pinch"]["span"] == pytest.approx(4000, rel=1e-3)
    assert told["pinch"]["from"] == pytest.approx(2000, abs=8)
    assert "Event 2" in told["card"]["reading"]
    assert told["card"]["from"] < 6000 < 6010 < told["card"]["from"] + told["card"]["span"] < 6100
    assert told["hash"] == "#event-1"
    assert told["buttons"] == 3


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_many_long_events_on_a_narrow_dark_screen(tmp_path: Path) -> None:
    events = [event(i, 20.0 * i) for i in range(300)]
    curve = np.column_stack((np.linspace(0, 8000, 8000), np.full(8000, 0.5)))
    report = Report(
        "gate-" * 40,
        "x" * 200,
        8000,
        200_000,
        curve,
        threshold=0.8,
        events=events,
        gaps=[Gap(1, 2, "x")],
    )
    file = tmp_path / "report.html"
    write_page(file, report)
    with file.open("a", encoding="utf-8") as page:
        page.write(PERSON)
    flags = ("--blink-settings=preferredColorScheme=0", "--window-size=500,900")
    html, told = opened(file, tmp_path / "profile", *flags)
    assert "data-error" not in html
    width, room = told["width"]
    assert width <= room
    assert told["opaque"] == "rgb(17, 20, 26)"
