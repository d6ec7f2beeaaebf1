from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import numpy as np
import pytest

from mnad.errors import UsageError
from mnad.events.event import Box, Observed
from mnad.events.machine import LOST_SECONDS, EventConfig, EventMachine
from mnad.events.message import camera_event

NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
CONFIG = EventConfig(threshold=0.8, release=0.6)


def run(config, times, scores, close=None, started_at=None):
    machine = EventMachine(config, "yard", started_at)
    told = []
    for frame, (seconds, score) in enumerate(zip(times, scores, strict=True)):
        told += machine.push(Observed(frame, seconds, score))
    return told + list(machine.close(times[-1] if close is None else close))


def spans(messages):
    return [(m.start, m.end) for m in messages if m.phase == "end"]


def at(rate, *parts):
    """Times and scores of parts (seconds, score) at a rate."""
    scores = [score for seconds, score in parts for _ in range(round(seconds * rate))]
    return [k / rate for k in range(len(scores))], scores


def test_one_event_by_hand():
    times = [k / 10 for k in range(120)]
    scores = [0.1] * 120
    scores[20:26] = [0.85, 0.7, 0.9, 0.95, 0.7, 0.65]
    machine = EventMachine(CONFIG, "yard", NOON)
    box = Box(0.1, 0.2, 0.3, 0.4, 0.95)
    told = {}
    for frame, (seconds, score) in enumerate(zip(times, scores, strict=True)):
        boxes = (box,) if frame == 23 else ()
        for message in machine.push(Observed(frame, seconds, np.float32(score), boxes)):
            told[frame] = message
    # Abnormal at 2.0 (0.1 s) and 2.2 (0.1 s): 0.2 s in all. 5 s later, the higher
    # peak since is told; 5 s after the end at 2.5, the end.
    assert {frame: m.phase for frame, m in told.items()} == {22: "start", 72: "update", 75: "end"}
    start, end = told[22], told[75]
    assert (start.start, start.end, start.peak_frame, start.boxes) == (2.0, None, 22, ())
    assert (end.start, end.end, end.peak_frame, end.peak_seconds) == (2.0, 2.5, 23, 2.3)
    assert (end.boxes, end.at, end.threshold) == ((box,), "2026-03-01T12:00:02.250Z", 0.8)
    assert end.peak_score == pytest.approx(0.95) and type(end.peak_score) is float
    assert start.id == end.id and machine.close(12.0) == ()


@pytest.mark.parametrize("rate", [5, 7.3, 15, 25, 30000 / 1001, 60])
def test_minimum_is_a_time_at_every_rate(rate):
    frames = math.ceil(0.2 * rate - 1e-9)
    enough = at(rate, (2, 0.1), (frames / rate, 0.9), (8, 0.1))
    assert len(spans(run(CONFIG, *enough))) == 1
    if frames > 1:
        short = at(rate, (2, 0.1), ((frames - 1) / rate, 0.9), (8, 0.1))
        assert run(CONFIG, *short) == []


def test_one_frame_is_enough_at_one_per_second():
    assert spans(run(CONFIG, *at(1, (4, 0.1), (1, 0.9), (9, 0.1)))) == [(4.0, 4.0)]


def test_a_stall_does_not_make_a_frame_long():
    times = [k / 25 for k in range(50)] + [1.96 + 1.5 + k / 25 for k in range(50)]
    scores = [0.1] * 100
    scores[50] = 0.9
    assert run(CONFIG, times, scores) == []


def test_hysteresis():
    times, scores = at(10, (1, 0.7), (1, 0.9), (3, 0.61), (6, 0.59))
    assert spans(run(CONFIG, times, scores)) == [(1.0, 4.9)]
    share = EventConfig(threshold=0.8)  # releases below 0.72
    times, scores = at(10, (1, 0.1), (1, 0.9), (1, 0.73), (6, 0.71))
    assert spans(run(share, times, scores)) == [(1.0, 2.9)]


@pytest.mark.parametrize(
    ("pause", "second", "expected"),
    [
        (1.8, 0.1, [(1.0, 4.7)]),  # in the merge time one abnormal frame continues it
        (3.0, 0.1, [(1.0, 2.9)]),  # in the cool-down it does not
        (3.0, 0.5, [(1.0, 6.3)]),  # but an event of its own does
        (4.8, 0.5, [(1.0, 8.1)]),  # also one that is sure to be one only after the cool-down
        (5.0, 0.5, [(1.0, 2.9), (7.9, 8.3)]),
    ],
)
def test_pauses(pause, second, expected):
    times, scores = at(10, (1, 0.1), (2, 0.9), (pause, 0.1), (second, 0.9), (9, 0.1))
    found = spans(run(CONFIG, times, scores))
    assert found[0][0] == expected[0][0] and len(found) == len(expected)
    # By hand: the last abnormal frame before the pause is at 2.9, the second run at 3 + pause.
    last = 2.9 if expected[0][1] == 2.9 else 3 + pause + second - 0.1
    assert found[0][1] == pytest.approx(last)
    if len(expected) == 2:
        assert found[1] == pytest.approx((3 + pause, 3 + pause + second - 0.1))


def test_updates_are_rare_and_only_for_a_higher_peak():
    times = [k / 8 for k in range(300)]
    scores = [min(0.99, 0.81 + 0.001 * k) for k in range(300)]  # rises until 22.5
    messages = run(CONFIG, times, scores)
    # Sure to be an event at 0.25; from then on every 5 s, and the highest peak when it may be told.
    assert [m.phase for m in messages] == ["start", *["update"] * 5, "end"]
    peaks = [m.peak_seconds for m in messages]
    assert peaks == pytest.approx([0.25, 5.25, 10.25, 15.25, 20.25, 22.5, 22.5], abs=0.13)
    peaks = [m.peak_score for m in messages[:-1]]
    assert peaks == sorted(set(peaks))
    flat = run(CONFIG, times, [0.9] * 300)
    assert [m.phase for m in flat] == ["start", "end"]


def test_what_never_ends_is_told_ever_more_rarely():
    config = EventConfig(threshold=0.8, longest_seconds=10)
    times, scores = at(5, (200, 0.9), (20, 0.1), (2, 0.9), (20, 0.1))
    messages = run(config, times, scores)
    # Rests of 10, 20, 40, 80 s; the last event is cut short by the return to normal at 200 s.
    expected = [(0, 10), (20, 30), (50, 60), (100, 110), (190, 199.8), (220, 221.8)]
    assert spans(messages) == pytest.approx(np.array(expected), abs=1e-9)
    assert len({m.id for m in messages}) == 6


def test_in_the_rest_after_a_long_event_it_knows_which_one_goes_on():
    config = EventConfig(threshold=0.8, longest_seconds=10)
    machine = EventMachine(config, "yard", None)
    rested, ended = [], []
    # As above, events to 10 s and from 20 to 30 s; a dip to 0.75 and a pause of 1 s end nothing.
    times, scores = at(5, (12, 0.9), (3, 0.75), (1, 0.1), (19, 0.9), (10, 0.1))
    for frame, pair in enumerate(zip(times, scores, strict=True)):
        ended += [m.id for m in machine.push(Observed(frame, *pair)) if m.phase == "end"]
        rested.append(machine.resting and machine.resting.id)
    first, second = ended
    # The last abnormal frame is at 34.8 s; it is over once a pause of five seconds is.
    parts = ((None, 10), (first, 10), (None, 10), (second, 9.8), (None, 5.2))
    assert rested == [id_ for id_, seconds in parts for _ in range(round(5 * seconds))]
    # Nobody sees what goes on while the stream is lost.
    for k in range(60):
        machine.push(Observed(k, 50 + k / 5, 0.9))
    assert machine.resting
    machine.gap()
    assert machine.resting is None


def test_a_lost_stream_ends_the_event_at_its_last_frame():
    machine = EventMachine(CONFIG, "yard", None)
    told = [m for k in range(10) for m in machine.push(Observed(k, k / 10, 0.9))]
    assert [m.phase for m in told] == ["start"]
    assert [(m.phase, m.end) for m in machine.gap()] == [("end", 0.9)]
    assert machine.gap() == () and machine.close(5.0) == ()
    # A jump in time that nobody reported is a gap as well.
    for k in range(10):
        machine.push(Observed(20 + k, 20 + k / 10, 0.9))
    ended, *_ = machine.push(Observed(30, 100.0, 0.9))
    assert (ended.phase, ended.end) == ("end", 20.9)


def test_within_the_cooldown_there_is_no_second_alarm():
    """Neither where frames are missing, nor where what lasts is told again."""
    config = EventConfig(threshold=0.8, cooldown_seconds=60)
    times, scores = at(5, (4, 0.9), (4, 0.9), (62, 0.1), (4, 0.9))
    times[20:] = [seconds + 10 for seconds in times[20:]]  # ten seconds of them
    assert spans(run(config, times, scores)) == pytest.approx(
        np.array([(0, 17.8), (80, 83.8)]), abs=1e-9
    )
    config = EventConfig(threshold=0.8, cooldown_seconds=60, longest_seconds=20)
    messages = run(config, *at(5, (100, 0.9)))
    assert spans(messages) == pytest.approx(np.array([(0, 20), (80, 99.8)]), abs=1e-9)


def test_end_of_the_source():
    times, scores = at(10, (1, 0.1), (1, 0.9))
    assert spans(run(CONFIG, times, scores, close=2.0)) == [(1.0, 2.0)]
    times, scores = at(10, (1, 0.1), (1, 0.9), (1, 0.1))
    assert spans(run(CONFIG, times, scores, close=3.0)) == [(1.0, 1.9)]


def test_nan_is_not_abnormal_and_time_does_not_go_back():
    times, scores = at(10, (1, math.nan), (1, 0.9), (0.5, math.nan), (1, 0.9), (8, math.nan))
    assert spans(run(CONFIG, times, scores)) == [(1.0, 3.4)]
    machine = EventMachine(CONFIG, "yard", None)
    machine.push(Observed(0, 1.0, 0.1))
    machine.push(Observed(1, 1.0, 0.1))
    with pytest.raises(ValueError):
        machine.push(Observed(2, 0.9, 0.1))


def test_ids():
    times, scores = at(10, *[(9, 0.1), (1, 0.9)] * 12, (9, 0.1))

    def ids(started_at, source="yard"):
        machine = EventMachine(CONFIG, source, started_at)
        told = [
            m
            for k, pair in enumerate(zip(times, scores, strict=True))
            for m in machine.push(Observed(k, *pair))
        ]
        return [m.id for m in told if m.phase == "start"]

    for started_at in (None, NOON):
        first = ids(started_at)
        assert len(set(first)) == 12 and first == sorted(first)
        assert first == ids(started_at)  # a replay
        assert not set(first) & set(ids(started_at, "gate"))
    assert max(ids(NOON)) < min(ids(NOON + timedelta(days=400)))
    abroad = NOON.astimezone(timezone(timedelta(hours=9)))
    assert ids(abroad) == ids(NOON)
    assert ids(NOON)[0].startswith("20260301T120009250Z-")
    assert all(c.isalnum() or c == "-" for c in "".join(ids(NOON) + ids(None)))


def test_what_happens_to_the_camera_starts_as_an_event_of_its_own():
    covered, frozen = (camera_event(what, "yard", NOON, 4.0, 100) for what in ("covered", "frozen"))
    assert covered.id != frozen.id
    assert (covered.kind, covered.what, covered.phase) == ("camera", "covered", "start")
    assert (covered.at, covered.end) == ("2026-03-01T12:00:04.250Z", None)
    assert (covered.peak_score, covered.peak_seconds, covered.peak_frame) == (1.0, 4.0, 100)


@pytest.mark.parametrize(
    "values",
    [
        {"threshold": 1.1},
        {"threshold": math.nan},
        {"threshold": 0.5, "release": 0.6},
        {"threshold": 0.5, "min_seconds": -1},
        {"threshold": 0.5, "merge_seconds": math.nan},
        {"threshold": 0.5, "cooldown_seconds": math.inf},
        {"threshold": 0.5, "longest_seconds": 0},
    ],
)
def test_bad_settings(values):
    with pytest.raises(UsageError):
        EventConfig(**values)


def reference(config, times, scores):
    """The same intervals and peaks from the whole sequence at once: (start, end, peak frame)."""
    t, s = np.array(times), np.nan_to_num(np.array(scores), nan=-1.0)
    steps = np.diff(t)
    stands = np.zeros(len(t))
    stands[1:] = np.minimum(steps, np.concatenate([[np.inf], steps[:-1]]))
    lost = max(config.merge_seconds, LOST_SECONDS)
    cuts = [0, *(np.flatnonzero(steps > lost) + 1), len(t)]
    runs = [one for low, high in pairwise(cuts) for one in _runs(config, s, low, high)]
    found = []
    for frames in _episodes(config, t, s, stands, runs):
        found += _cut(config, t, s, frames)
    return found


def _runs(config, s, low, high):
    i = low
    while i < high:
        if s[i] >= config.threshold:
            j = i
            while j + 1 < high and s[j + 1] >= config.lower_threshold:
                j += 1
            yield list(range(i, j + 1))
            i = j
        i += 1


def _episodes(config, t, s, stands, runs):
    """Lists of (frame, whether the event is known to go on by then)."""
    episodes = []
    for frames in runs:
        held = np.cumsum([stands[k] * (s[k] >= config.threshold) for k in frames])
        sure = np.flatnonzero(held >= config.min_seconds - 1e-6)
        pause = t[frames[0]] - t[episodes[-1][-1][0]] if episodes else np.inf
        if pause < config.merge_seconds:
            episodes[-1] += [(k, True) for k in frames]
        elif len(sure):
            marked = [(k, n >= sure[0]) for n, k in enumerate(frames)]
            if pause < config.cooldown_seconds:
                episodes[-1] += marked
            else:
                episodes.append(marked)
    return episodes


def _cut(config, t, s, marked):
    events, begin, resume = [], 0, -np.inf
    rest = max(config.longest_seconds, config.cooldown_seconds)
    for n, (k, sure) in enumerate(marked):
        if not sure:
            continue
        if begin is None:
            if t[k] >= resume and s[k] >= config.threshold:
                begin = n
            continue
        if t[k] - t[marked[begin][0]] >= config.longest_seconds and n > begin:
            events.append((begin, n))
            begin, resume, rest = None, t[k] + rest, 2 * rest
    if begin is not None:
        events.append((begin, len(marked) - 1))
    out = []
    for begin, end in events:
        frames = [marked[n][0] for n in range(begin, end + 1)]
        peak = max(frames, key=lambda k: (s[k], -k))
        out.append((t[frames[0]], t[frames[-1]], peak))
    return out


LEVELS = (0.05, 0.3, 0.5, 0.62, 0.7, 0.79, 0.8, 0.85, 0.9, 1.0, math.nan)
TICKS = (0, 1, 1, 1, 1, 2, 2, 3, 8, 16, 64, 400)


def drawn(seed):
    """A config, times that rise irregularly, and scores in stretches of like ones."""
    draw = random.Random(seed)
    config = EventConfig(
        threshold=0.8,
        release=draw.choice([None, 0.6, 0.8]),
        min_seconds=draw.choice([0.0, 0.125, 0.5]),
        merge_seconds=draw.choice([0.0, 0.25, 2.0]),
        cooldown_seconds=draw.choice([0.0, 0.5, 5.0, 30.0]),
        update_seconds=draw.choice([0.0, 1.0]),
        longest_seconds=draw.choice([0.5, 2.0, 300.0]),
    )
    scores = []
    for _ in range(draw.randint(1, 25)):
        scores += [draw.choice(LEVELS)] * draw.randint(1, 9)
    steps = [draw.choice(TICKS[: draw.choice([5, 9, 12])]) / 16 for _ in scores]
    return config, np.cumsum(steps).tolist(), scores


@pytest.mark.parametrize("block", range(4))
def test_same_as_the_slow_reference(block):
    ended = 0
    for seed in range(600 * block, 600 * (block + 1)):
        ended += compare(*drawn(seed))
    assert ended > 600  # the sequences do hold events


def compare(config, times, scores):
    messages = run(config, times, scores)
    found = [(m.start, m.end, m.peak_frame) for m in messages if m.phase == "end"]
    assert found == reference(config, times, scores)
    # Every event: one start, then updates to higher peaks, then one end.
    for id_ in {m.id for m in messages}:
        mine = [m for m in messages if m.id == id_]
        assert [m.phase for m in mine] == ["start", *["update"] * (len(mine) - 2), "end"]
        peaks = [m.peak_score for m in mine[:-1]]
        assert peaks == sorted(set(peaks))
    return len(found)
