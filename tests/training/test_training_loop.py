"""Training: deterministic, exact after a kill, label-free; refuses to overwrite."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import reference
import torch
from footage import moving_square
from safetensors.torch import load_file

import mnad
from mnad.calibration.holdout import hold_out, known_share
from mnad.config import MethodConfig, ModelConfig, NetworkConfig, TrainConfig
from mnad.errors import MnadError, UsageError
from mnad.models.folder import Model, build_network, load_model
from mnad.network.mnad import MNAD
from mnad.network.window import split_window
from mnad.presets import preset_of
from mnad.runtime.usual import usual_torch
from mnad.scoring.windows import Windows
from mnad.training.alone import alone
from mnad.training.checkpoint import State, load_state, save_state
from mnad.training.loop import Fitter, Footage
from mnad.training.loop import main as train_loop
from mnad.training.order import epoch_order
from mnad.video.cache import load_clips

SMALL = NetworkConfig(channels=1, width=0.1, height=32, image_width=32, items=3)


def weights(model: Path) -> dict[str, torch.Tensor]:
    return load_file(model / "model.safetensors")


def same(a: Path, b: Path) -> bool:
    x, y = weights(a), weights(b)
    return x.keys() == y.keys() and all(torch.equal(x[name], y[name]) for name in x)


def test_an_epoch_takes_every_window_once_and_drops_an_incomplete_batch() -> None:
    order = epoch_order(10, 4, seed=1, epoch=0)
    assert [len(batch) for batch in order] == [4, 4]
    assert len({i for batch in order for i in batch}) == 8
    assert order == epoch_order(10, 4, seed=1, epoch=0)
    assert order != epoch_order(10, 4, seed=1, epoch=1) != epoch_order(10, 4, seed=2, epoch=1)
    assert [len(batch) for batch in epoch_order(3, 4, seed=1, epoch=0)] == [3]


def test_of_much_footage_each_epoch_takes_other_windows_from_all_of_it() -> None:
    seen = set()
    for epoch in range(40):
        batches = epoch_order(1000, 4, 1, epoch, most=150)
        taken = sorted(i for batch in batches for i in batch)
        assert [len(batch) for batch in batches] == [4] * 37
        assert len(set(taken)) == 148 and taken[0] >= 0 and taken[-1] < 1000
        # One of each stretch of 6.67 windows, but for the two of the batch that is dropped.
        gaps = np.diff(taken)
        assert gaps.min() >= 6 and np.sort(gaps)[:-2].max() <= 14
        seen.update(taken)
    assert len(seen) > 990
    assert epoch_order(1000, 4, 1, 5, most=150) == epoch_order(1000, 4, 1, 5, most=150)
    assert epoch_order(10, 4, 1, 0, most=10) == epoch_order(10, 4, 1, 0, most=99)
    assert epoch_order(10, 4, 1, 0, most=99) == epoch_order(10, 4, 1, 0)
    for most in (1, 3, 7, 9):
        found = [i for batch in epoch_order(10, 1, 1, 0, most) for i in batch]
        assert len(set(found)) == most


def test_the_loop_of_the_docs_is_that_of_the_command(
    own_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: dict[str, object]
) -> None:
    page = (Path(__file__).parents[2] / "docs/ablation.md").read_text()
    (loop,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    for there, here in (
        ("channels=1, width=0.25", "channels=1, width=0.05, height=32, image_width=32"),
        ("ped2:PED2", str(own_folder)),
        ("range(12)", "range(1)"),  # in whose first the learning rate is what it begins with
    ):
        assert loop.count(there) == 1
        loop = loop.replace(there, here)
    monkeypatch.chdir(tmp_path)
    exec(loop, {})  # our own text
    options = {**tiny, "epochs": 1, "device": "cpu", "precision": "fp32"}
    mnad.train(own_folder, out="trained", preset="official", seed=1, **options)  # type: ignore[arg-type]
    mine, theirs = weights(Path("models/mine")), weights(Path("trained"))
    assert mine.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert torch.equal(mine[name], tensor), name
    assert mnad.evaluate("models/mine", own_folder)["auc"]["causal_micro"] is None


def test_windows_never_span_two_clips() -> None:
    clips = [np.full((6, 2, 2, 1), n, np.uint8) for n in (1, 2)]
    windows = Windows(clips, ["a", "b"], 5)
    assert len(windows) == 4
    batch = windows.batch(range(4))
    assert batch.shape == (4, 5, 2, 2, 1)
    assert [sorted(set(w.flatten().tolist())) for w in batch] == [[1], [1], [2], [2]]
    with pytest.raises(mnad.MnadError, match="clip b has 6 frame"):
        Windows(clips, ["a", "b"][::-1], 7)


def test_steps_in_bf16_compute_with_the_weights_of_the_step_before() -> None:
    """An autocast around all of them kept the first step's, in bf16, to the end of the training."""
    found = []
    for around in (nullcontext, usual_torch):
        with around():
            torch.manual_seed(0)
            config = ModelConfig(SMALL)
            windows = Windows([moving_square(30, 0)], ["a"], 5)
            train = TrainConfig(epochs=1, learning_rate=1e-2, precision="bf16")
            fitter = Fitter(windows, config, train, build_network(config).train())
            losses = [fitter.step(windows.batch(range(8)))[1] for _ in range(5)]
        found.append(torch.stack(losses))
    assert torch.equal(*found) and found[0][-1, 0] < 0.7 * found[0][0, 0]


@pytest.mark.parametrize("name", ["official", "paper"])
def test_a_step_moves_the_items_as_the_reference_does(name: str) -> None:
    torch.manual_seed(0)
    config = ModelConfig(SMALL, preset_of(name, "prediction")[0])
    network = build_network(config).train()
    clip = moving_square(12, 0)
    windows = Windows([clip], ["a"], 5)
    fitter = Fitter(windows, config, TrainConfig(epochs=1, learning_rate=1e-3), network)
    assert network.memory is not None
    before = network.memory.items.clone()
    batch = windows.batch([0, 2, 4, 6])
    query = network(split_window(batch, SMALL)[0]).query.detach()
    for module in network.modules():  # that look at the batch must not count
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
    fitter.step(batch)
    expected = reference.update(
        [q.double().numpy() for q in query], before.double().numpy(), config.method.update_scope
    )
    np.testing.assert_allclose(network.memory.items, expected, atol=1e-5)


def one_step(method: MethodConfig) -> tuple[MNAD, torch.Tensor, torch.Tensor]:
    """A network after a step, its items before, and the queries of that step."""
    torch.manual_seed(0)
    config = ModelConfig(SMALL, method)
    network = build_network(config).train()
    windows = Windows([moving_square(12, 0)], ["a"], 5)
    fitter = Fitter(windows, config, TrainConfig(epochs=1, learning_rate=1e-3), network)
    assert network.memory is not None
    before = network.memory.items.detach().clone()
    out, _ = fitter.step(windows.batch([0, 2, 4, 6]))
    return network, before, out.query.detach()


def test_a_step_with_momentum_moves_the_items_as_the_reference_does() -> None:
    network, before, query = one_step(MethodConfig(update_momentum=0.9))
    frames = [q.double().numpy() for q in query]
    expected = reference.update(frames, before.double().numpy(), "batch", 0.9)
    assert network.memory is not None
    np.testing.assert_allclose(network.memory.items, expected, atol=1e-5)


def test_learnt_items_take_a_step_of_adam_and_keep_unit_norm() -> None:
    network, before, _ = one_step(MethodConfig(item_learning="gradient"))
    assert network.memory is not None
    items = network.memory.items.detach()
    torch.testing.assert_close(items.norm(dim=1), torch.ones(3))
    # Adam's first step is the learning rate in every element, whatever the gradient's size.
    assert 1e-4 < float((items - before).abs().max()) < 3e-3
    gradient = network.memory.items.grad
    assert gradient is not None and float(gradient.abs().max()) > 0


def test_the_learning_rate_follows_half_a_cosine_per_epoch() -> None:
    torch.manual_seed(0)
    network = build_network(ModelConfig(SMALL))
    optimizer = torch.optim.Adam(network.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=7)
    expected = []
    for _ in range(7):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    train = TrainConfig(epochs=7, learning_rate=1.0)
    fitter = Fitter(Windows([moving_square(5, 0)], ["a"], 5), ModelConfig(SMALL), train, network)
    for epoch, rate in enumerate(expected):
        fitter._set_learning_rate(epoch)
        assert fitter.optimizer.param_groups[0]["lr"] == pytest.approx(rate, abs=1e-9)


def test_the_same_command_gives_the_same_weights(
    own_folder: Path, tmp_path: Path, tiny: dict[str, object]
) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        mnad.train(str(own_folder), out=tmp_path / name, seed=seed, **tiny)  # type: ignore[arg-type]
    assert same(tmp_path / "a", tmp_path / "b")
    assert not same(tmp_path / "a", tmp_path / "c")


def test_what_is_odd_about_the_footage_is_told_before_the_training(
    own_folder: Path,
    tmp_path: Path,
    tiny: dict[str, object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (own_folder / "training/a/5.png").unlink()
    mnad.train(own_folder, out=tmp_path / "m", preset="official", **tiny)  # type: ignore[arg-type]
    told = caplog.messages[0]
    assert told.startswith("warning: training/a has 13 frames numbered from 0 to 13: some are miss")


def test_training_reads_no_label(own_folder: Path, tmp_path: Path, tiny: dict[str, object]) -> None:
    for file in own_folder.glob("testing/*.csv"):
        file.write_text("this is no label file")
    mnad.train(str(own_folder), out=tmp_path / "m", **tiny)  # type: ignore[arg-type]
    assert (tmp_path / "m" / "config.json").exists()


def test_killed_at_any_moment_and_resumed_it_ends_with_the_same_bits(
    own_folder: Path, tmp_path: Path, tiny: dict[str, object]
) -> None:
    options: dict[str, Any] = {**tiny, "epochs": 12, "vary_light": 0.2, "vary_noise": 5.0}
    mnad.train(str(own_folder), out=tmp_path / "whole", **options)
    killed = tmp_path / "killed"
    command = (
        "import mnad, mnad.training.loop as loop, time\n"
        "loop.CHECKPOINT_SECONDS = 0\n"  # in the middle of epochs too
        "step = loop.Fitter.step\n"
        # So slow that the last of the kills, 0.8 s of steps in all, never comes when all is done.
        "loop.Fitter.step = lambda *a: (time.sleep(0.2), step(*a))[1]\n"
        f"mnad.train({str(own_folder)!r}, out={str(killed)!r}, resume=RESUME, **{options!r})\n"
    )
    kills = 0
    for number in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", command.replace("RESUME", str(number > 0))],
            env=os.environ,
            stderr=subprocess.DEVNULL,
        )
        state = killed / "training" / "state.pt"
        before = state.stat().st_mtime_ns if state.exists() else 0
        # Let it get a little further than the last time, whatever the machine's speed, then kill.
        while process.poll() is None and kills < 3:
            if state.exists() and state.stat().st_mtime_ns != before:
                time.sleep(0.13 * (kills + 1))
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.01)
        if process.wait() == 0:
            break
        kills += 1
    assert kills == 3 and (killed / "config.json").exists()
    assert same(tmp_path / "whole", killed)
    epochs = [json.loads(line)["epoch"] for line in (killed / "train.jsonl").open()]
    assert epochs == list(range(1, 13))


def test_stopped_after_its_last_epoch_it_still_knows_it(
    own_folder: Path, tmp_path: Path, tiny: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    options = {**tiny, "preset": "official"}
    whole = mnad.train(str(own_folder), out=tmp_path / "whole", **options)  # type: ignore[arg-type]
    with monkeypatch.context() as patch:
        patch.setattr("mnad.training.loop.reference_of", stopped)
        with pytest.raises(KeyboardInterrupt):
            mnad.train(str(own_folder), out=tmp_path / "m", **options)  # type: ignore[arg-type]
    model = mnad.train(str(own_folder), out=tmp_path / "m", resume=True, **options)  # type: ignore[arg-type]
    ours, expected = model.training["last_epoch"], whole.training["last_epoch"]
    assert ours.pop("seconds") > 0 and expected.pop("seconds") > 0
    assert ours == expected and ours["epoch"] == 2


def test_stopped_while_it_is_calibrated_it_goes_on_and_what_cannot_be_calibrated_is_kept(
    tmp_path: Path,
) -> None:
    footage = Footage("own", ("a",), [np.stack(moving_square(12, 0, size=32))[..., :1]])
    recipe = TrainConfig(1, seed=1)

    def train(out: Path, finish: Callable[[Model], Model], resume: bool = False) -> Model:
        config, device = ModelConfig(SMALL), torch.device("cpu")
        told = {"resume": resume, "progress": False, "finish": finish}
        return train_loop(footage, out, config, recipe, device, **told)

    def fails(error: type[BaseException]) -> Callable[[Model], Model]:
        def finish(model: Model) -> Model:
            raise error

        return finish

    stopped, short = tmp_path / "stopped", tmp_path / "short"
    with pytest.raises(KeyboardInterrupt):
        train(stopped, fails(KeyboardInterrupt))
    assert not (stopped / "config.json").exists()
    model = train(stopped, lambda model: replace(model, known=model.known[:1]), resume=True)
    assert len(load_model(stopped).known) == len(model.known) == 1
    assert not (stopped / "training").exists()

    with pytest.raises(MnadError):
        train(short, fails(MnadError))
    assert same(short, stopped) and len(load_model(short).known) > 1


def test_a_folder_that_cannot_be_trained_into_is_refused_before_footage_is_read(
    own_folder: Path, tmp_path: Path, tiny: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "m"
    mnad.train(str(own_folder), out=out, **tiny)  # type: ignore[arg-type]
    monkeypatch.setattr("mnad.video.cache.load_clips", None)  # to read it is a TypeError now
    with pytest.raises(mnad.UsageError, match="already holds"):
        mnad.train(str(own_folder), out=out, **tiny)  # type: ignore[arg-type]
    with pytest.raises(mnad.UsageError, match="finished model"):
        mnad.train(str(own_folder), out=out, resume=True, **tiny)  # type: ignore[arg-type]
    with pytest.raises(mnad.UsageError, match="cannot be a folder for results"):
        mnad.train(str(own_folder), out=out / "config.json" / "m", **tiny)  # type: ignore[arg-type]


def test_a_second_training_into_a_folder_is_refused_before_footage_is_read(
    own_folder: Path, tmp_path: Path, tiny: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "m"
    with monkeypatch.context() as patch, alone(out):
        patch.setattr("mnad.video.cache.load_clips", None)
        for resume in (False, True):
            with pytest.raises(mnad.UsageError, match=f"another mnad trains into {out}: stop it"):
                mnad.train(str(own_folder), out=out, resume=resume, **tiny)  # type: ignore[arg-type]
    mnad.train(str(own_folder), out=out, **tiny)  # type: ignore[arg-type]
    files = {"config.json", "model.safetensors", "normal.safetensors", "train.jsonl"}
    assert {file.name for file in out.iterdir()} == files
    monkeypatch.setitem(sys.modules, "fcntl", None)  # as on Windows
    mnad.train(str(own_folder), out=tmp_path / "n", **tiny)  # type: ignore[arg-type]
    assert same(out, tmp_path / "n")


def test_the_record_says_what_was_done(
    own_folder: Path, tmp_path: Path, tiny: dict[str, object]
) -> None:
    options = {**tiny, "preset": "official", "seed": 5}
    model = mnad.train(str(own_folder), out=tmp_path / "m", **options)  # type: ignore[arg-type]
    facts = mnad.info(tmp_path / "m")
    assert facts["training"]["seed"] == 5
    assert facts["training"]["data"]["clips"] == 2 and facts["training"]["data"]["frames"] == 28
    assert facts["training"]["windows"] == 20 and facts["training"]["steps"] == 10
    assert facts["reference_frames"] == 20
    assert facts["training"]["last_epoch"]["epoch"] == 2
    usage = facts["training"]["last_epoch"]["item_usage"]
    assert sum(usage) == pytest.approx(1, abs=1e-3) and len(usage) == 10
    assert model.reference is not None and np.isfinite(model.reference.psnr).all()


def test_without_memory_and_with_motion_cues(
    own_folder: Path, tmp_path: Path, tiny: dict[str, object]
) -> None:
    tiny = {**tiny, "preset": "official"}
    model = mnad.train(str(own_folder), out=tmp_path / "a", memory=False, **tiny)  # type: ignore[arg-type]
    assert model.network.memory is None
    options = {**tiny, "task": "reconstruction", "frames_in": 12}
    mnad.train(str(own_folder), out=tmp_path / "b", **options)  # type: ignore[arg-type]
    assert mnad.info(tmp_path / "b")["network"]["frames_in"] == 12


def test_tensorboard_gets_losses_and_a_sample(
    own_folder: Path, tmp_path: Path, tiny: dict[str, object]
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    mnad.train(str(own_folder), out=tmp_path / "m", tensorboard=True, **tiny)  # type: ignore[arg-type]
    events = EventAccumulator(str(tmp_path / "m" / "tensorboard")).Reload()
    assert {"loss", "separateness", "item_similarity", "read_sharpness"} <= set(
        events.Tags()["scalars"]
    )
    assert len(events.Scalars("loss")) == 2 and events.Tags()["images"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_cuda_starts_from_the_weights_of_the_cpu(
    own_folder: Path, tmp_path: Path, tiny: dict[str, object]
) -> None:
    options = {**tiny, "learning_rate": 1e-12, "precision": "fp32"}
    for device in ("cpu", "cuda"):
        mnad.train(str(own_folder), out=tmp_path / device, device=device, **options)  # type: ignore[arg-type]
    a, b = weights(tmp_path / "cpu"), weights(tmp_path / "cuda")
    name = "encoder.stage1.0.weight"
    torch.testing.assert_close(a[name], b[name], atol=1e-6, rtol=0)


def test_the_window_must_fit(own_folder: Path, tmp_path: Path, tiny: dict[str, object]) -> None:
    options = {**tiny, "preset": "official", "frames_in": 40}
    with pytest.raises(mnad.MnadError, match="clip a has 14 frame"):
        mnad.train(str(own_folder), out=tmp_path / "m", **options)  # type: ignore[arg-type]
    assert replace(SMALL, frames_in=40).window == 41


def long_footage(folder: Path, seconds: float) -> Path:
    """A video of one's own, 10 frames/s: a square on its way, over and over."""
    from mnad.video.sink import VideoSink

    with VideoSink(folder.with_suffix(".mp4"), Fraction(10), (32, 32)) as sink:
        for frame in moving_square(round(10 * seconds), 0):
            sink.write(np.repeat(frame, 3, axis=-1))
    return folder.with_suffix(".mp4")


def test_a_clip_that_is_too_short_is_told_by_the_name_that_its_owner_knows(
    tmp_path: Path, tiny: dict[str, object]
) -> None:
    """Where footage is kept back it is cut into pieces, which have numbers."""
    own = tmp_path / "own"
    own.mkdir()
    long_footage(own / "yard", 110)
    long_footage(own / "gate", 0.3)
    with pytest.raises(MnadError, match="clip gate has 3 frame"):
        mnad.train(str(own), out=tmp_path / "m", **{**tiny, "rate": 10.0})  # type: ignore[arg-type]


def test_ones_own_footage_gives_a_calibrated_model_by_default(
    tmp_path: Path, tiny: dict[str, object]
) -> None:
    video = long_footage(tmp_path / "yard", 110)
    options = {**tiny, "epochs": 1, "rate": 5.0, "false_alarms_per_hour": 60.0}
    model = mnad.train(str(video), out=tmp_path / "m", **options)  # type: ignore[arg-type]
    assert model.config.preset == "camera" and model.config.rate == 5
    method, told = model.config.method, model.training
    assert (method.lambda_pseudo, method.lambda_camera) == (5, 0.6)
    assert (told["vary_light"], told["vary_noise"]) == (0.2, 5)
    assert model.reference is not None and model.reference.weight == 0.6
    calibration = model.calibration
    assert calibration is not None and calibration.trained_on == 0 and calibration.rate == 5
    # 15 pieces of 7.3 s, of which a fifth is kept back and no window of the rest reaches over.
    assert calibration.sources == tuple(f"held-out piece {n}" for n in (1, 2, 3))
    (clip,) = load_clips([video], 32, 32, 1, rate=5.0)
    trained, held = hold_out([clip], 0.2, 5)
    assert len(clip) == 550 and calibration.frames == sum(len(piece) - 4 for piece in held)
    assert known_share(trained, model.known) == 1 and known_share(held, model.known) == 0
    assert mnad.info(tmp_path / "m")["training"]["data"]["frames"] == sum(map(len, trained))
    assert mnad.Detector.load(tmp_path / "m").threshold == calibration.threshold.score


def test_without_memory_a_camera_has_no_distance_to_teach_or_to_score_by(
    tmp_path: Path, tiny: dict[str, object]
) -> None:
    options = {**tiny, "preset": "camera", "epochs": 1, "memory": False, "hold_out": 0}
    video = long_footage(tmp_path / "yard", 5)
    model = mnad.train(str(video), out=tmp_path / "m", **options)  # type: ignore[arg-type]
    method = model.config.method
    assert (method.lambda_pseudo, method.lambda_camera) == (0, 1)
    with pytest.raises(UsageError, match="without memory there are no items"):
        ModelConfig(model.config.network, preset_of("camera", "prediction")[0])


def test_frames_that_come_again_are_no_reason_to_lose_a_training(
    tmp_path: Path, tiny: dict[str, object]
) -> None:
    """As of a scene that stands still, or of a file that is played over and over."""
    import av

    video = long_footage(tmp_path / "once", 55)
    with av.open(str(video)) as source:
        once = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    folder = tmp_path / "yard"
    folder.mkdir()
    for number, frame in enumerate(5 * once):
        cv2.imwrite(str(folder / f"{number:04d}.png"), frame)
    options = {**tiny, "preset": "camera", "epochs": 1, "rate": 5.0}
    model = mnad.train(str(folder), out=tmp_path / "m", **options)  # type: ignore[arg-type]
    assert model.calibration is not None and model.calibration.trained_on == 1
    assert any("were trained on" in sentence for sentence in model.calibration.warnings())


def test_too_little_footage_to_hold_back_from_is_all_trained_on_and_said(
    own_folder: Path, tmp_path: Path, tiny: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    model = mnad.train(str(own_folder), out=tmp_path / "m", **tiny)  # type: ignore[arg-type]
    assert model.calibration is None and model.reference is not None
    assert "too short to set a threshold on" in caplog.text
    assert mnad.info(tmp_path / "m")["training"]["data"]["frames"] == 14  # every second of 28
    with pytest.raises(mnad.UsageError, match="give more footage or --hold_out 0"):
        mnad.train(str(own_folder), out=tmp_path / "n", hold_out=0.2, **tiny)  # type: ignore[arg-type]
    with pytest.raises(mnad.UsageError, match=r"share from 0 to 0\.5"):
        mnad.train(str(own_folder), out=tmp_path / "n", hold_out=0.6, **tiny)  # type: ignore[arg-type]


def test_a_data_set_is_looked_at_in_its_own_rate(tmp_path: Path, tiny: dict[str, object]) -> None:
    """Ped2 has 10 frames/s, which its folders of images do not say: the camera takes them all."""
    clip = tmp_path / "ped2" / "training" / "frames" / "01"
    clip.mkdir(parents=True)
    for number, frame in enumerate(moving_square(20, 0)):
        cv2.imwrite(str(clip / f"{number:03d}.jpg"), frame)
    options = {**tiny, "preset": "camera"}
    model = mnad.train(f"ped2:{tmp_path / 'ped2'}", out=tmp_path / "m", **options)  # type: ignore[arg-type]
    assert model.config.rate == 10 and model.training["data"]["frames"] == 20
    assert model.training["machine"].endswith(torch.backends.cpu.get_cpu_capability())


def test_a_full_disk_is_one_sentence_and_leaves_the_state_before(tmp_path: Path) -> None:
    """A real limit on the size of files, in a process of its own."""
    code = (
        "import resource, signal, sys, torch\n"
        "from pathlib import Path\n"
        "from mnad.errors import MnadError\n"
        "from mnad.training.checkpoint import State, load_state, save_state\n"
        "folder = Path(sys.argv[1])\n"
        "small = State('r', 1, 0.0, {'w': torch.zeros(4)}, {}, torch.zeros(4))\n"
        "save_state(folder, small)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "large = State('r', 2, 0.0, {'w': torch.zeros(100_000)}, {}, torch.zeros(4))\n"
        "try:\n"
        "    save_state(folder, large)\n"
        "except MnadError as error:\n"
        "    print(error)\n"
        "print(load_state(folder, 'r').step, sorted(p.name for p in folder.iterdir()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "training")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    sentence, rest = done.stdout.splitlines()
    assert "cannot take the state of the training" in sentence and "--resume" in sentence
    assert rest == "1 ['state.pt']"


def test_a_disk_that_goes_read_only_is_one_sentence(
    tmp_path: Path, read_only: Callable[[], None]
) -> None:
    read_only()
    with pytest.raises(MnadError, match=r"state of the training \(Read-only file system\)"):
        save_state(tmp_path, State("r", 1, 0.0, {}, {}, torch.zeros(1)))


@pytest.mark.parametrize("damage", ["nothing", "text", "names", "half", "bit"])
def test_a_damaged_state_is_one_sentence(tmp_path: Path, damage: str) -> None:
    weight = torch.full((9,), 1.25)
    save_state(tmp_path, State("{}", 1, 0.0, {"w": weight}, {}, torch.zeros(4)))
    file = tmp_path / "state.pt"
    whole = file.read_bytes()
    at, of_weight = whole.index(b"recipe"), whole.index(weight.numpy().tobytes()) + 7
    bad = {
        "nothing": b"",
        "text": b"hello world",
        "names": whole[:at] + b"\xff" * 6 + whole[at + 6 :],
        "half": whole[: len(whole) // 2],
        "bit": whole[:of_weight] + bytes([whole[of_weight] ^ 64]) + whole[of_weight + 1 :],
    }
    file.write_bytes(bad[damage])
    with pytest.raises(MnadError, match=f"is damaged; remove {tmp_path} and train again"):
        load_state(tmp_path, "{}")
