"""Every runtime gives the numbers of torch: any task, memory, reading, mask, number of streams."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from footage import moving_square
from networks import SMALL, graph_runtime, trained

from mnad.config import MethodConfig, ModelConfig
from mnad.models.folder import build_network
from mnad.presets import preset_of
from mnad.runtime.runtime import Runtime
from mnad.runtime.torch import TorchRuntime
from mnad.scoring.parts import PSNR_CAP
from mnad.scoring.stream import FrameParts, Scorer

pytest.importorskip("openvino")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytest.importorskip("ncnn")
pytest.importorskip("pnnx")

CASES = [
    ("openvino", "prediction", 4, True, "official"),
    ("openvino", "prediction", 4, True, "paper"),
    ("openvino", "prediction", 4, False, "official"),
    ("openvino", "reconstruction", 1, True, "official"),
    ("openvino", "reconstruction", 1, False, "paper"),
    ("openvino", "reconstruction", 16, True, "paper"),
    ("ncnn", "prediction", 4, True, "paper"),
    ("ncnn", "prediction", 4, False, "official"),
    ("ncnn", "reconstruction", 16, True, "official"),
    ("ncnn", "reconstruction", 1, False, "paper"),
    ("onnx", "prediction", 4, True, "paper"),
    ("onnx", "reconstruction", 16, True, "official"),
    ("onnx", "reconstruction", 1, False, "official"),
]


@pytest.mark.parametrize(("name", "task", "frames_in", "memory", "preset"), CASES)
def test_all_that_is_scored_is_what_torch_scores(
    name: str, task: str, frames_in: int, memory: bool, preset: str, tmp_path: Path
) -> None:
    config = replace(
        SMALL,
        task=task,
        frames_in=frames_in,
        memory=memory,
        image_width=48,
        channels=3 - 2 * memory,
    )
    method, network = preset_of(preset, task)[0], trained(replace(config, image_width=48), 4)
    expected, found = TorchRuntime(network, method), graph_runtime(name, network, method, tmp_path)
    assert (found.name, found.network, found.method) == (name, config, method)
    generator = torch.Generator().manual_seed(1)
    mask = torch.rand(32, 48, generator=generator)
    mask[:9, 5:20] = 0
    for streams in (1, 3):
        shape = (streams, config.window, 32, 48, config.channels)
        windows = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        own = None
        if memory:
            own = torch.rand(streams, config.items, config.stages[-1], generator=generator)
            own = torch.nn.functional.normalize(own, dim=-1)
        for items, looked in ((None, None), (own, mask)):
            query, parts = expected.score(windows, items, looked)
            other_query, others = found.score(windows, items, looked)
            torch.testing.assert_close(other_query, query, rtol=1e-4, atol=1e-5)
            for part, other in zip(parts, others, strict=True):
                torch.testing.assert_close(other, part, rtol=1e-4, atol=1e-6, equal_nan=True)
            assert parts.distance.isnan().all() != memory


@pytest.mark.parametrize("name", ["openvino", "ncnn", "onnx"])
@pytest.mark.parametrize(
    ("dimensions", "reading"),
    [
        ({"decoder_input": "read", "skip_maps": 1}, {"read_temperature": 0.05}),
        ({"decoder_input": "query", "items": 30}, {"memory_loss": "norm_mean"}),
        ({"skip_maps": 0}, {"item_learning": "gradient", "memory_loss": "squared_sum"}),
        ({"convolution": "separable", "upsampling": "nearest"}, {}),
        ({"memory": False, "decoder_input": "none"}, {}),
        ({"padding": "reflect", "convolution": "separable"}, {}),
    ],
)
def test_so_it_is_of_the_named_changes(
    name: str, dimensions: dict[str, object], reading: dict[str, object], tmp_path: Path
) -> None:
    torch.manual_seed(1)
    config = ModelConfig(replace(SMALL, **dimensions), MethodConfig(**reading))  # type: ignore[arg-type]
    network = build_network(config).eval().requires_grad_(False)
    expected = TorchRuntime(network, config.method)
    found = graph_runtime(name, network, config.method, tmp_path)
    windows = torch.from_numpy(np.stack([moving_square(5, seed) for seed in range(3)]))
    query, parts = expected.score(windows)
    other_query, others = found.score(windows)
    torch.testing.assert_close(other_query, query, rtol=1e-4, atol=1e-5)
    for part, other in zip(parts, others, strict=True):
        torch.testing.assert_close(other, part, rtol=1e-4, atol=1e-6, equal_nan=True)


@pytest.fixture(scope="module")
def by_name(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Runtime]:
    """One network with memory, in every runtime; every frame moves the memory."""
    network = trained()
    method = replace(preset_of("official", "prediction")[0], gamma=10.0)
    folder = tmp_path_factory.mktemp("graphs")
    others = {n: graph_runtime(n, network, method, folder) for n in ("openvino", "ncnn", "onnx")}
    return {"torch": TorchRuntime(network, method), **others}


@pytest.mark.parametrize("name", ["torch", "openvino", "ncnn", "onnx"])
def test_a_frame_without_any_error_has_the_highest_psnr(
    by_name: dict[str, Runtime], name: str
) -> None:
    nothing = torch.zeros(32, 32)
    nothing[0, 0] = 1e-20  # next to nothing of the frame counts
    query, parts = by_name[name].score(torch.from_numpy(moving_square(5, 0)[None]), mask=nothing)
    assert parts.psnr.item() == PSNR_CAP and parts.regular.item() == 0
    assert not parts.error.any() and query.isfinite().all()


def pushed(runtime: Runtime, policy: str) -> tuple[list[list[FrameParts]], list[torch.Tensor]]:
    """Two streams in lockstep, each with its own memory, which the first hands on to a third."""
    scorer = Scorer(runtime, policy, blocks=(6, None))  # type: ignore[arg-type]
    streams = [scorer.open(), scorer.open()]
    clips = [moving_square(14, seed) for seed in (1, 5)]
    found = [
        [part for part in scorer.push(streams, frames) if part is not None]
        for frames in zip(*clips, strict=True)
    ]
    third = scorer.open(streams[0])
    found += [[p for p in scorer.push([third], [frame]) if p] for frame in moving_square(8, 2)]
    items = [stream.items for stream in (*streams, third)]
    return found, [one for one in items if one is not None]


@pytest.mark.parametrize("name", ["openvino", "ncnn", "onnx"])
def test_regular_frames_move_the_memory_alike(by_name: dict[str, Runtime], name: str) -> None:
    for policy in ("carried", "reset"):
        parts, items = pushed(by_name["torch"], policy)
        others, moved = pushed(by_name[name], policy)
        assert len(items) == len(moved) == 3 and not torch.equal(items[0], items[1])
        torch.testing.assert_close(moved, items, rtol=0, atol=1e-5)
        for row, same in zip(parts, others, strict=True):
            for one, two in zip(row, same, strict=True):
                assert one.updated and two.updated and one.index == two.index
                for what in ("psnr", "distance", "regular", "peak"):
                    assert getattr(two, what) == pytest.approx(getattr(one, what), rel=1e-4)
    frozen, none = pushed(by_name[name], "frozen")
    assert not none and not any(part.updated for row in frozen for part in row)


@pytest.mark.parametrize("name", ["openvino", "ncnn", "onnx"])
def test_scores_stay_when_the_next_window_is_scored(by_name: dict[str, Runtime], name: str) -> None:
    clip = torch.from_numpy(moving_square(12, 3)[None])
    first = by_name[name].score(clip[:, :5])[1].error
    before = first.clone()
    second = by_name[name].score(clip[:, 7:])[1].error
    assert torch.equal(first, before) and not torch.equal(first, second)
