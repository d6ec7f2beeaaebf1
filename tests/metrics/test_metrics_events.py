"""Alarms against events: cases by hand, intervals against scipy's own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, poisson

from mnad.errors import MnadError, UsageError
from mnad.metrics.events import event_metrics, poisson_interval, spans_of, wilson_interval


def test_by_hand() -> None:
    found = event_metrics(
        {"a": [(10, 20), (30, 40), (60, 70)]},
        {"a": [(5, 12), (33, 35), (36, 50), (80, 90)], "b": [(0, 1)]},
        {"a": 100, "b": 3500},
    )
    # Before it began, three seconds in (the second alarm is later), never.
    assert found.delays == (("a", 0.0), ("a", 3.0))
    assert found.median_delay == 1.5
    assert found.missed == (("a", 60, 70),)
    assert (found.recall.count, found.recall.of, found.recall.value) == (2, 3, 2 / 3)
    assert (found.precision.count, found.precision.of) == (3, 5)
    # 3,600 s less the 30 s of the events.
    assert found.false_alarms.count == 2
    assert found.false_alarms.hours == pytest.approx(3570 / 3600)
    assert found.false_alarms.per_hour == pytest.approx(2 / (3570 / 3600))


def test_slack_reaches_past_the_end_of_an_event_only() -> None:
    events, seconds = {"a": [(10.0, 20.0)]}, {"a": 100.0}
    late, early = {"a": [(20.4, 30.0)]}, {"a": [(1.0, 9.8)]}
    assert event_metrics(events, late, seconds).recall.count == 0
    found = event_metrics(events, late, seconds, slack=0.5)
    assert found.recall.count == found.precision.count == 1
    assert found.delays[0][1] == pytest.approx(10.4)
    assert found.false_alarms.hours * 3600 == pytest.approx(89.5)
    assert event_metrics(events, early, seconds, slack=0.5).recall.count == 0


def test_one_alarm_may_cover_two_events_and_overlapping_events_count_once_in_time() -> None:
    found = event_metrics({"a": [(10, 30), (20, 40)]}, {"a": [(15, 25)]}, {"a": 60})
    assert found.recall.value == found.precision.value == 1
    assert found.delays == (("a", 5), ("a", 0))
    assert found.false_alarms.hours * 3600 == pytest.approx(30)
    # The slack of an event at the end does not reach past the clip.
    late = event_metrics({"a": [(50, 60)]}, {}, {"a": 60}, slack=5)
    assert late.false_alarms.hours * 3600 == pytest.approx(50)


def test_nothing_has_no_number() -> None:
    found = event_metrics({}, {}, {"a": 10.0})
    assert found.recall.value is found.precision.value is found.median_delay is None
    assert (found.false_alarms.per_hour, found.false_alarms.count) == (0, 0)
    whole = event_metrics({"a": [(0, 10)]}, {"a": [(0, 10)]}, {"a": 10.0})
    assert whole.false_alarms.per_hour is whole.false_alarms.interval is None


@pytest.mark.parametrize("count", [0, 1, 7, 120])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_poisson_interval_is_exact(count: int, confidence: float) -> None:
    low, high = poisson_interval(count, confidence)
    tail = (1 - confidence) / 2
    assert poisson.cdf(count, high) == pytest.approx(tail, abs=1e-9)
    assert (poisson.sf(count - 1, low) == pytest.approx(tail, abs=1e-9)) if count else low == 0


@pytest.mark.parametrize(("count", "of"), [(0, 5), (3, 7), (216, 216), (1, 2)])
def test_wilson_interval_against_scipy(count: int, of: int) -> None:
    expected = binomtest(count, of).proportion_ci(0.95, "wilson")
    assert wilson_interval(count, of) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_spans_of_labels() -> None:
    assert spans_of([0, 1, 1, 0, 1], 2.0) == [(0.5, 1.0), (2.0, 2.0)]
    assert spans_of(np.ones(3), 1.0) == [(0, 2)]
    assert spans_of([0, 0], 1.0) == spans_of([], 1.0) == []
    with pytest.raises(MnadError):
        spans_of([0, 2], 1.0)
    for rate in (0.0, np.nan, np.inf):
        with pytest.raises(UsageError, match="rate is"):
            spans_of([0, 1, 1], rate)


@pytest.mark.parametrize("span", [(5, 4), (-1, 3), (8, 11)])
def test_spans_that_are_refused(span: tuple[float, float]) -> None:
    with pytest.raises(MnadError, match="an event from"):
        event_metrics({"a": [span]}, {}, {"a": 10})
    with pytest.raises(MnadError, match="an alarm from"):
        event_metrics({}, {"a": [span]}, {"a": 10})


def test_other_refusals() -> None:
    with pytest.raises(MnadError, match="no length"):
        event_metrics({}, {"b": [(0, 1)]}, {"a": 10})
    for slack in (-1, np.nan):
        with pytest.raises(UsageError, match="slack"):
            event_metrics({"a": [(1, 2)]}, {"a": [(1, 2)]}, {"a": 10}, slack=slack)
    with pytest.raises(UsageError, match="confidence"):
        event_metrics({}, {}, {"a": 10}, confidence=1)


@pytest.mark.parametrize("length", [np.nan, -3600, np.inf])
def test_a_clip_of_no_length_is_refused_even_where_others_make_up_for_it(length: float) -> None:
    with pytest.raises(MnadError, match=f"Clip 'a' has a length of {length} s"):
        event_metrics({}, {}, {"a": length, "b": 7200})


@pytest.mark.parametrize(("count", "of"), [(0, 0), (5, 3), (-1, 3), (np.nan, 3), (1, np.nan)])
def test_what_is_no_share_has_no_interval(count: int, of: int) -> None:
    with pytest.raises(UsageError, match=f"{count} of {of}"):
        wilson_interval(count, of)


@pytest.mark.parametrize("count", [-1, np.nan])
def test_what_is_no_count_has_no_interval(count: int) -> None:
    with pytest.raises(UsageError, match="count is"):
        poisson_interval(count)
