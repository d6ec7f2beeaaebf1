"""Streams pushed by threads: the numbers of streams alone, in batches of whatever waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
import torch
from footage import moving_square
from torch import Tensor

from mnad.config import MethodConfig, ModelConfig, NetworkConfig
from mnad.errors import UsageError
from mnad.models.folder import build_network
from mnad.network.mnad import MNAD
from mnad.network.window import split_window
from mnad.runtime.runtime import Runtime
from mnad.runtime.torch import TorchRuntime
from mnad.scoring.parts import Parts
from mnad.scoring.stream import FrameParts, Scorer
from mnad.scoring.together import Together

SMALL = NetworkConfig(channels=1, width=0.1, height=32, image_width=32)
BLOCKS = (4, np.ones((), np.float32))


@pytest.fixture(scope="module")
def network() -> MNAD:
    torch.manual_seed(0)
    net = build_network(ModelConfig(SMALL)).train()
    clip = torch.from_numpy(np.stack([moving_square(SMALL.window, s) for s in range(8)]))
    for _ in range(30):  # running statistics of batch norm that fit the clips
        net(split_window(clip, SMALL)[0])
    return net.eval().requires_grad_(False)


class Counting(Runtime):
    """Notes the size of each batch; waits for `open` before each, and fails when told to."""

    def __init__(self, inner: Runtime) -> None:
        super().__init__("torch", inner.network, inner.method, inner.items, inner.device)
        self.inner, self.sizes = inner, list[int]()
        self.began, self.open = threading.Semaphore(0), threading.Semaphore(0)
        self.error: Exception | None = None

    def score(
        self, windows: Tensor, items: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Parts]:
        self.sizes.append(len(windows))
        self.began.release()
        assert self.open.acquire(timeout=20)
        if self.error is not None:
            raise self.error
        return self.inner.score(windows, items, mask)


def scored(scorer: Scorer, clip: np.ndarray) -> list[FrameParts]:
    stream = scorer.open()
    return [p for frame in clip if (p := scorer.push([stream], [frame])[0]) is not None]


def numbers(parts: list[FrameParts]) -> np.ndarray:
    return np.array([[p.psnr, p.distance, p.regular, p.peak] for p in parts])


def running() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("mnad-together")]


@pytest.mark.parametrize("policy", ["frozen", "reset"])
def test_threads_get_the_numbers_of_streams_alone(network: MNAD, policy: str) -> None:
    runtime = TorchRuntime(network, MethodConfig(gamma=10.0))
    clips = [moving_square(count, seed) for seed, count in enumerate((12, 30, 7, 20, 4))]
    with (
        Together(Scorer(runtime, policy, None, BLOCKS)) as together,  # type: ignore[arg-type]
        ThreadPoolExecutor(len(clips)) as threads,
    ):
        found = list(threads.map(lambda clip: scored(together, clip), clips))
    alone = Scorer(runtime, policy, None, BLOCKS)  # type: ignore[arg-type]
    for parts, clip in zip(found, clips, strict=True):
        expected = scored(alone, clip)
        assert [p.index for p in parts] == list(range(4, len(clip)))
        np.testing.assert_allclose(numbers(parts), numbers(expected), rtol=2e-6)
        assert [p.updated for p in parts] == [p.updated for p in expected]
        for one, other in zip(parts, expected, strict=True):
            np.testing.assert_allclose(one.error, other.error, atol=1e-6)
    assert not running()


@pytest.fixture
def waiting(network: MNAD) -> Iterator[tuple[Counting, list[Future[FrameParts | None]]]]:
    """One frame is being scored; those of four other streams wait."""
    runtime = Counting(TorchRuntime(network, MethodConfig()))
    with Together(Scorer(runtime, "frozen")) as together, ThreadPoolExecutor(5) as threads:
        streams = [together.open() for _ in range(5)]
        clips = [moving_square(5, seed) for seed in range(5)]
        for stream, clip in zip(streams, clips, strict=True):
            for frame in clip[:4]:
                assert together.push([stream], [frame]) == [None]

        def last(n: int) -> FrameParts | None:
            return together.push([streams[n]], [clips[n][4]])[0]

        answers = [threads.submit(last, 0)]
        assert runtime.began.acquire(timeout=20)
        answers += [threads.submit(last, n) for n in range(1, 5)]
        while len(together._waiting) < 4:
            threading.Event().wait(0.01)
        yield runtime, answers


def test_what_waits_while_a_batch_is_computed_is_the_next_batch(waiting: tuple) -> None:
    runtime, answers = waiting
    runtime.open.release(2)
    parts = [answer.result(timeout=20) for answer in answers]
    assert runtime.sizes == [1, 4]
    expected = [
        scored(Scorer(runtime.inner, "frozen"), moving_square(5, seed))[0] for seed in range(5)
    ]
    np.testing.assert_allclose([p.psnr for p in parts], [p.psnr for p in expected], rtol=2e-6)
    assert len({p.psnr for p in parts}) == 5  # each its own


def test_an_error_of_the_engine_is_raised_to_all_of_its_batch_and_to_no_other(
    waiting: tuple,
) -> None:
    runtime, answers = waiting
    runtime.open.release(1)
    assert answers[0].result(timeout=20).index == 4
    assert runtime.began.acquire(timeout=20)
    runtime.error = RuntimeError("out of memory")
    runtime.open.release(1)
    for answer in answers[1:]:
        with pytest.raises(RuntimeError, match="out of memory"):
            answer.result(timeout=20)


def test_after_its_end_nothing_hangs(network: MNAD) -> None:
    with Together(Scorer(TorchRuntime(network, MethodConfig()), "frozen")) as together:
        stream = together.open()
    with pytest.raises(UsageError, match="has ended"):
        together.push([stream], [moving_square(1, 0)[0]])
    assert not running()
