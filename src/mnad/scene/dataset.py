"""Write scenes as a data set: normal clips to train on, clips with anomalies and their truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mnad.errors import MnadError, UsageError
from mnad.scene.scene import SceneConfig, SceneFrame, render
from mnad.scene.traffic import KINDS
from mnad.video.sink import VideoSink
from mnad.writing import CsvSink, beside

COLUMNS = ("track", "frame", "x0", "y0", "x1", "y1", "kind")


def write_dataset(
    out: Path,
    config: SceneConfig,
    train_clips: int = 12,
    test_clips: int = 12,
    frames_per_clip: int = 300,
    seed: int = 0,
) -> Path:
    """Render clips of one place.

    ``out/training/NN.mp4`` are normal. ``out/testing/NN.mp4`` show anomalies; beside each lie
    ``NN.npy`` (T,) uint8 frame labels, 1 abnormal; ``NN_masks.npz`` with ``masks`` (T, H, W) bool;
    and ``NN_tracks.csv`` with a row per box and frame, 0-based, corners inside the box. Three
    clips of 30 s hold every kind of anomaly once.

    Args:
        out: folder; files of the same names in it are replaced.
        config: camera and place, of all clips.
        train_clips: how many normal clips, 1 or more.
        test_clips: how many clips with anomalies, 1 or more.
        frames_per_clip: length of every clip; 15 seconds hold one anomaly.
        seed: same seed, same clips.

    Returns:
        `out`.

    Raises:
        UsageError: a count below 1.
        MnadError: something cannot be written.
    """
    for name, count in (
        ("train_clips", train_clips),
        ("test_clips", test_clips),
        ("frames_per_clip", frames_per_clip),
    ):
        if count < 1:
            raise UsageError(f"{name} is {count}; it must be 1 or more.")
    training, testing = out / "training", out / "testing"
    for folder in (training, testing):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MnadError(
                f"{folder} cannot be made ({error.strerror}); choose another."
            ) from error
    for clip in range(train_clips):
        frames = training_clip(config, clip, frames_per_clip, seed)
        _write_video(training / f"{clip + 1:02d}.mp4", config, frames)
    for clip in range(test_clips):
        frames = testing_clip(config, clip, frames_per_clip, seed)
        _write_test(testing / f"{clip + 1:02d}.mp4", config, frames)
    return out


def training_clip(
    config: SceneConfig, clip: int, frames: int, seed: int = 0
) -> Iterator[SceneFrame]:
    """The normal clip number `clip` (from 0) of `write_dataset`, before compression."""
    return render(config, _clip_seed(seed, clip, 0), frames)


def testing_clip(
    config: SceneConfig, clip: int, frames: int, seed: int = 0
) -> Iterator[SceneFrame]:
    """The clip with anomalies number `clip` (from 0) of `write_dataset`, before compression."""
    first = 2 * clip % len(KINDS) + clip // 3 % 2  # all kinds in 3 clips of 30 s, in new pairs
    return render(config, _clip_seed(seed, clip, 1), frames, KINDS[first:] + KINDS[:first])


def _clip_seed(seed: int, clip: int, part: int) -> int:
    """A seed of its own for every clip of either part."""
    return int(np.random.SeedSequence([seed, clip, part]).generate_state(1)[0])


def _write_video(path: Path, config: SceneConfig, frames: Iterable[SceneFrame]) -> None:
    with VideoSink(path, config.rate, (config.height, config.width)) as sink:
        for frame in frames:
            pixels = frame.pixels
            sink.write(np.repeat(pixels, 3, axis=2) if config.channels == 1 else pixels)


def _write_test(path: Path, config: SceneConfig, frames: Iterable[SceneFrame]) -> None:
    labels: list[bool] = []
    masks: list[Any] = []
    with CsvSink(path.with_name(f"{path.stem}_tracks.csv"), COLUMNS) as table:

        def noted() -> Iterable[SceneFrame]:
            for index, frame in enumerate(frames):
                labels.append(frame.label)
                masks.append(frame.mask)
                for box in frame.boxes:
                    table.write({"frame": index, **box._asdict()})
                yield frame

        _write_video(path, config, noted())
    _write_array(path.with_suffix(".npy"), lambda file: np.save(file, np.array(labels, np.uint8)))
    _write_array(
        path.with_name(f"{path.stem}_masks.npz"),
        lambda file: np.savez_compressed(file, masks=np.array(masks)),
    )


def _write_array(path: Path, write: Callable[[Any], None]) -> None:
    try:
        with beside(path, lasting=False) as part, part.open("wb") as file:
            write(file)
    except OSError as error:
        reason = error.strerror or error  # NumPy's own errors have only their text
        raise MnadError(f"{path} cannot be written ({reason}).") from error
