"""From kept-back footage to a model with a threshold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from footage import moving_square, smoothed_slowly

from mnad.calibration.calibrate import SHORTEST_SECONDS, calibrate_model, smoothed
from mnad.calibration.holdout import fingerprints
from mnad.calibration.measure import reference_of
from mnad.calibration.rate import threshold_for
from mnad.calibration.result import rounded
from mnad.calibration.things import block_size
from mnad.config import MethodConfig, ModelConfig, NetworkConfig
from mnad.detector import Detector
from mnad.errors import MnadError, UsageError
from mnad.events.machine import EventConfig
from mnad.models.folder import Model, build_network, load_model, save_model
from mnad.scoring.reference import Rank, squash
from mnad.scoring.stream import Scorer
from mnad.scoring.windows import Windows

SMALL = NetworkConfig(channels=1, width=0.1, height=32, image_width=32)
CLIPS = [moving_square(180, 0), moving_square(130, 1)]
NAMES = ["first", "second"]


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    config = ModelConfig(SMALL)
    network = build_network(config).eval().requires_grad_(False)
    return Model(config, network, known=fingerprints([moving_square(50, 9)]))


@pytest.fixture(scope="module")
def calibrated(model: Model) -> Model:
    return calibrate_model(model, CLIPS, NAMES, 10.0, 60.0, progress=False)


def test_the_score_rests_on_every_frame_of_the_footage(model: Model, calibrated: Model) -> None:
    reference, calibration = calibrated.reference, calibrated.calibration
    assert reference is not None and calibration is not None
    assert reference.block == block_size(CLIPS)
    blocks = (reference.side, reference.against)
    scorer = Scorer(model.torch_runtime, "frozen", blocks=blocks)
    scores, peaks = [], []
    for clip in CLIPS:
        stream = scorer.open()
        own = [p.peak for frame in clip if (p := scorer.push([stream], [frame])[0])]
        single = reference.score(own, own)
        scores += smoothed_slowly(single, 10.0)
        peaks += own
    assert len(peaks) == calibration.frames == 180 + 130 - 2 * 4
    np.testing.assert_allclose(reference.peak, peaks, rtol=1e-4)
    np.testing.assert_allclose(calibration.score, scores, atol=5e-3)
    # A tenth of the frames is as rare as one in ten, but for frames that are alike.
    assert 0.05 < (reference.score(reference.peak, reference.distance) >= 0.5).mean() < 0.12
    assert calibrated.network is model.network and model.reference is None


def test_what_is_usual_is_known_from_the_training_and_stays(model: Model) -> None:
    windows = Windows([moving_square(50, 9)], ["trained on"], SMALL.window)
    trained = replace(model, reference=reference_of(model.torch_runtime, windows, 9))
    plain, placed = (
        calibrate_model(trained, CLIPS, NAMES, 10.0, 60.0, by_place=by_place, progress=False)
        for by_place in (False, True)
    )
    again = calibrate_model(placed, CLIPS, NAMES, 10.0, 60.0, by_place=True, progress=False)
    assert trained.reference is not None
    for model in (plain, placed, again):
        reference = model.reference
        assert reference is not None and reference.block == 9 != block_size(CLIPS)
        np.testing.assert_array_equal(reference.usual, trained.reference.usual)
        assert not np.array_equal(reference.level, trained.reference.level)
    assert plain.reference is not None and placed.reference is not None
    assert plain.reference.against is None
    assert placed.reference.against is placed.reference.usual
    assert not np.isclose(plain.reference.peak, placed.reference.peak).any()
    assert again.reference is not None
    np.testing.assert_allclose(placed.reference.peak, again.reference.peak, rtol=1e-5)


def test_an_imported_model_knows_nothing_of_places(model: Model) -> None:
    with pytest.raises(UsageError, match="by_place needs a model that saw normal footage"):
        calibrate_model(model, CLIPS, NAMES, 10.0, 60.0, by_place=True, progress=False)


def test_the_threshold_is_that_of_the_two_clips(calibrated: Model) -> None:
    reference, calibration = calibrated.reference, calibrated.calibration
    assert reference is not None and calibration is not None
    single = reference.score(reference.peak, reference.distance)
    stretches = [smoothed(single[:176], 10.0), smoothed(single[176:], 10.0)]
    assert calibration.threshold == threshold_for(stretches, 60.0)
    assert calibration.threshold.hours == pytest.approx(30.2 / 3600)
    assert (calibration.rate, calibration.sources) == (10.0, ("first", "second"))
    assert calibration.trained_on == 0
    assert calibration.view.size[0] > 0
    said = " ".join(calibration.sentences())
    assert "30 s" in said and "302 frames of 2 source(s)" in said
    assert f"{calibration.threshold.score:.3f}" in said


def test_with_a_weight_the_distance_counts_too_alike_in_file_and_stream(
    model: Model, tmp_path: Path
) -> None:
    config = replace(model.config, method=MethodConfig(lambda_camera=0.6))
    weighted = replace(model, config=config)
    found = calibrate_model(weighted, CLIPS, NAMES, 10.0, 60.0, progress=False)
    save_model(tmp_path / "m", found)
    reference = load_model(tmp_path / "m").reference
    assert reference is not None and reference.weight == 0.6
    peak, distance = Rank(reference.peak), Rank(reference.distance)

    def unusual(of_peak: np.ndarray, of_distance: np.ndarray) -> np.ndarray:
        return 0.6 * peak.surprise(of_peak) + 0.4 * distance.surprise(of_distance)

    rank = Rank(unusual(reference.peak, reference.distance))
    seen = Detector.load(tmp_path / "m").score(CLIPS[0][:40], rate=10.0)
    single = squash(rank.surprise(unusual(seen.peak, seen.distance)))
    expected = smoothed_slowly(single.tolist(), 10.0)
    np.testing.assert_allclose(seen.score, expected, atol=1e-6)
    alone = calibrate_model(model, CLIPS, NAMES, 10.0, 60.0, progress=False)
    assert alone.reference is not None and alone.reference.weight == 1
    other = alone.reference.score(seen.peak, seen.distance)
    assert np.abs(other - single).max() > 0.01


def test_what_must_last_longer_to_be_an_event_needs_less(model: Model, calibrated: Model) -> None:
    longer = EventConfig(0.5, min_seconds=3.0)
    found = calibrate_model(model, CLIPS, NAMES, 10.0, 60.0, events=longer, progress=False)
    assert calibrated.calibration is not None and found.calibration is not None
    assert calibrated.reference is not None
    reference = calibrated.reference
    single = reference.score(reference.peak, reference.distance)
    stretches = [smoothed(single[:176], 10.0), smoothed(single[176:], 10.0)]
    assert found.calibration.threshold == threshold_for(stretches, 60.0, events=longer)
    assert found.calibration.threshold.score < calibrated.calibration.threshold.score


@pytest.mark.parametrize(
    ("rate", "said"),
    [(0.004, "0"), (0.0053, "0.0053"), (0.214, "0.21"), (1, "1"), (99.6, "100"), (224.0, "220")],
)
def test_a_rate_is_a_number_for_people(rate: float, said: str) -> None:
    assert rounded(rate) == said


def test_too_short_for_the_rate_is_said(model: Model) -> None:
    rare = calibrate_model(model, CLIPS, NAMES, 10.0, 0.5, progress=False).calibration
    often = calibrate_model(model, CLIPS, NAMES, 10.0, 300.0, progress=False).calibration
    assert rare is not None and often is not None
    assert rare.threshold.extrapolated and not often.threshold.extrapolated
    assert often.threshold.score < rare.threshold.score
    (warning,) = rare.warnings()
    assert "too short" in warning and "calibrate on 2.0 h or more" in warning
    assert often.warnings() == []


def test_footage_in_which_nothing_moves_is_told(model: Model) -> None:
    """Its threshold is next to 0: a camera that was covered while it was learnt alarms for good."""
    still = [np.full_like(clip, 90) for clip in CLIPS]
    found = calibrate_model(model, still, NAMES, 10.0, 300.0, progress=False).calibration
    assert found is not None and found.threshold.score < 0.01
    (warning,) = found.warnings()
    assert warning.startswith("In this normal footage the picture does not change")
    rng = np.random.default_rng(0)
    noisy = [
        np.clip(clip + rng.normal(0, 4, clip.shape), 0, 255).astype(np.uint8) for clip in still
    ]
    found = calibrate_model(model, noisy, NAMES, 10.0, 300.0, progress=False).calibration
    assert found is not None and found.warnings() == []


@pytest.mark.parametrize("per_hour", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(model: Model, per_hour: float) -> None:
    with pytest.raises(UsageError, match=r"false_alarms_per_hour is .*above 0"):
        calibrate_model(model, CLIPS, NAMES, 10.0, per_hour, progress=False)


def test_footage_that_was_trained_on_is_refused_unless_accepted(model: Model) -> None:
    taught = replace(model, known=fingerprints([CLIPS[0][:155]]))
    with pytest.raises(UsageError, match=r"^50 % of this footage was trained on.*--trained_on\.$"):
        calibrate_model(taught, CLIPS, NAMES, 10.0, 1.0, progress=False)
    accepted = calibrate_model(
        taught, CLIPS, NAMES, 10.0, 300.0, trained_on=True, progress=False
    ).calibration
    assert accepted is not None and accepted.trained_on == 0.5
    (warning,) = accepted.warnings()
    assert warning.startswith("50 % of the calibration frames were trained on")


def test_too_short_footage_is_refused(model: Model) -> None:
    with pytest.raises(MnadError, match=r"^first: 19\.9 s of normal footage .* 20 s at the very"):
        calibrate_model(model, [moving_square(199, 0)], ["first"], 10.0, 1.0, progress=False)
    assert SHORTEST_SECONDS == 20
    # Many clips of one window each: none of them lasts.
    crumbs = [moving_square(5, 100 + seed) for seed in range(60)]
    with pytest.raises(MnadError, match="no clip of this footage is longer than the 5 frames"):
        calibrate_model(model, crumbs, [str(n) for n in range(60)], 10.0, 1.0, progress=False)
    with pytest.raises(MnadError, match="clip stub has 3 frame"):
        mixed = [*CLIPS, moving_square(3, 0)]
        calibrate_model(model, mixed, [*NAMES, "stub"], 10.0, 1.0, progress=False)


def test_smoothing_is_a_mean_over_a_quarter_second() -> None:
    single = np.random.default_rng(0).random(200)
    stretch = smoothed(single, 10.0)
    np.testing.assert_allclose(stretch.score, smoothed_slowly(single, 10.0), rtol=1e-12)
    np.testing.assert_allclose(stretch.seconds, np.arange(200) / 10)
