"""mnad figures."""

# Annotations are not postponed: to resolve them the command line would have to import torch.

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from mnad.config import Device, require_count, require_seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mnad.datasets.clip import Dataset
    from mnad.inspection.memory import MemoryFacts
    from mnad.inspection.queries import Sampled
    from mnad.inspection.scenes import Test
    from mnad.models.folder import Model
    from mnad.runtime.runtime import Runtime

_LOG = logging.getLogger("mnad")
FILES = "features.png", "probabilities.png", "items.png", "abnormal.png", "figures.json"
SHOWN = 10
"""Queries of Fig. 5."""


class _Inspected(NamedTuple):
    """A model and what was found about it; `test` is None without test clips."""

    model: "Model"
    runtime: "Runtime"
    sampled: "Sampled | None"
    items: "NDArray[np.float32] | None"
    facts: "MemoryFacts | None"
    test: "Test | None"


def figures(
    model: str | Path,
    data: str | Path,
    *,
    out: str | Path,
    against: str | Path | None = None,
    footage: Literal["training", "test"] = "training",
    queries: int = 10000,
    scenes: int = 4,
    seed: int = 0,
    device: Device = "auto",
) -> dict[str, Any]:
    """Draw the paper's figures of what the memory does, with their numbers.

    Features and items by t-SNE (Fig. 1 and 6), matching probabilities (Fig. 5), prediction error
    and abnormal regions (Fig. 4), the load of the items and how alike they are; figures.json holds
    the numbers. The memory is the one that was trained, without updates at test time.

    Args:
        model: a model folder, or the name of a built-in one (mnad models).
        data: ped2:PATH, avenue:PATH or shanghaitech:PATH, or a folder of one's own; labels are used
            where there are some.
        out: folder for the figures; those of an earlier run go.
        against: another model folder, such as one trained without the separateness loss, to be
            shown beside.
        footage: where the queries are from: training clips, or the normal frames of labelled test
            clips.
        queries: how many are drawn.
        scenes: test clips of which the most abnormal frame is shown.
        seed: of the draws and the t-SNE.
        device: auto, cpu or cuda.
    """
    from mnad.datasets import open_dataset
    from mnad.models.folder import load_model
    from mnad.runtime.pick import pick_device
    from mnad.writing import discard, make_folder, write_json

    require_count("scenes", scenes)
    require_seed(seed)
    folder, where = Path(out), pick_device(device)
    paths = [Path(model)] if against is None else [Path(model), Path(against)]
    loaded = [load_model(path, where) for path in paths]
    dataset = open_dataset(data)
    make_folder(folder)  # as late as this is still cheap, as nothing is left of a wrong path
    found = {
        name: _inspect(one, dataset, footage, queries, seed)
        for name, one in zip(_names(paths), loaded, strict=True)
    }
    for earlier in FILES:  # of other models, or of one that has more to show
        discard(folder / earlier)
    captions = _memory_figures(folder, found, str(dataset.name), footage, seed)
    places = _places(found, scenes)
    captions |= _scene_figure(folder, found, dataset, places[next(iter(found))])
    facts = {
        "data": dataset.name,
        "footage": footage,
        "seed": seed,
        "figures": captions,
        "models": {name: _facts_of(one, places[name]) for name, one in found.items()},
    }
    write_json(folder / FILES[-1], facts)
    return facts


def _names(paths: list[Path]) -> list[str]:
    """Short names of models that tell them apart."""
    short = [path.name for path in paths]
    return short if len(set(short)) == len(paths) else [f"{n}: {p}" for n, p in enumerate(paths, 1)]


def _inspect(
    model: "Model",
    dataset: "Dataset",
    footage: Literal["training", "test"],
    queries: int,
    seed: int,
) -> _Inspected:
    from mnad.inspection.memory import memory_facts
    from mnad.inspection.queries import sample_queries
    from mnad.inspection.scenes import score_test

    runtime = model.torch_runtime
    test = score_test(model, dataset, runtime) if dataset.test else None
    if runtime.items is None:
        return _Inspected(model, runtime, None, None, None, test)
    sampled = sample_queries(model, dataset, runtime, footage, queries, seed)
    items = runtime.items.cpu().numpy()
    facts = memory_facts(sampled.queries, items, model.config.method.read_temperature)
    return _Inspected(model, runtime, sampled, items, facts, test)


def _memory_figures(
    folder: Path, found: dict[str, _Inspected], data: str, footage: str, seed: int
) -> dict[str, str]:
    """The figures of the models that have a memory; returns their captions."""
    import numpy as np

    from mnad.inspection.memory import embed, probabilities
    from mnad.inspection.text import load, sparsity
    from mnad.reports.memory_plots import Embedded, feature_plot, items_plot, probability_plot

    features, weights, items, numbers = {}, {}, {}, []
    most = 0.0
    for name, one in found.items():
        if one.sampled is None or one.items is None or one.facts is None:
            continue
        queries, memory = one.sampled.queries, _memory_of(one)
        flat, stars = embed(queries, one.items, seed)
        nearest = (queries @ one.items.T).argmax(axis=1)
        features[name] = Embedded(flat, stars, nearest, load(memory).replace("; ", "\n"))
        rows = np.random.default_rng(seed).choice(
            len(queries), min(SHOWN, len(queries)), replace=False
        )
        weights[name] = (
            probabilities(queries[rows], one.items, one.model.config.method.read_temperature),
            sparsity(memory).replace("; ", "\n"),
        )
        items[name] = (one.facts.usage, one.facts.cosine)
        most = max(most, one.facts.largest_possible)
        numbers.append(f"{len(queries):,} queries of {one.sampled.frames} frames ({name})")
    if not features:
        return {}
    frames = "training frames" if footage == "training" else "normal test frames"
    drawn = f"{'; '.join(numbers)}: {frames} of {data}, drawn at random with seed {seed}"
    title = f"{' and '.join(features)} on {data}"
    note = f"{frames}, seed {seed}"
    feature_plot(folder / "features.png", features, title, note)
    probability_plot(folder / "probabilities.png", weights, most, title, note)
    items_plot(folder / "items.png", items, title, note)
    return {
        "features.png": f"As Fig. 1 and 6 of the paper. {drawn}. t-SNE of scikit-learn, perplexity "
        "30; each query in the colour of its nearest item, items as numbered stars.",
        "probabilities.png": f"As Fig. 5 of the paper: matching probabilities (eq. 1) of {SHOWN} "
        f"queries drawn at random; the numbers below are means over all. {drawn}. The darkest "
        "colour is the largest probability that a softmax of cosines, divided by the model's "
        "read_temperature, can reach.",
        "items.png": f"Share of the queries that each item is nearest to, and cosines between "
        f"items. {drawn}.",
    }


def _places(found: dict[str, _Inspected], most: int) -> dict[str, list[tuple[str, int]]]:
    """By each model the most abnormal of the frames that all models score; none without clips."""
    from mnad.inspection.scenes import most_abnormal

    tests = {name: one.test for name, one in found.items() if one.test is not None}
    return {
        name: most_abnormal(tests[name], list(tests.values()), most) if name in tests else []
        for name in found
    }


def _scene_figure(
    folder: Path,
    found: dict[str, _Inspected],
    dataset: "Dataset",
    places: list[tuple[str, int]],
) -> dict[str, str]:
    """Fig. 4, of the frames that the first model finds the most abnormal; returns its caption.

    Nothing where no clip is known to be abnormal; of labelled clips that is said.
    """
    from mnad.inspection.scenes import scenes_at
    from mnad.reports.heat import ErrorScale, heat_map, marked_map
    from mnad.reports.memory_plots import abnormal_plot
    from mnad.scoring.where import paper_map

    if not dataset.test:
        return {}
    if not places:
        _LOG.warning(
            "no test clip of %s has an abnormal frame%s: there is no abnormal.png.",
            dataset.name,
            " and frames that both models score" if len(found) > 1 else "",
        )
        return {}
    columns = ["input"]
    rows: dict[str, list[NDArray[np.uint8]]] = {}
    for name, one in found.items():
        tail = f" ({name})" if len(found) > 1 else ""
        columns += [f"prediction error{tail}", f"abnormal regions{tail}"]
        for scene in scenes_at(one.model, dataset, one.runtime, places):
            seen, weight = scene.seen, one.model.config.method.lambda_score
            score, mark = paper_map(seen.error, seen.distance, weight)
            truth = {None: "", 0: ", labelled normal", 1: ", labelled abnormal"}[scene.label]
            heading = f"{scene.clip}, frame {scene.frame}{truth}"
            error = heat_map(seen.picture, seen.error, ErrorScale().update(seen.error))
            pictures = rows.setdefault(heading, [seen.picture])
            pictures += [error, marked_map(seen.picture, score, mark)]
    names = " and ".join(found)
    both = " among those that both score" if len(found) > 1 else ""
    abnormal_plot(
        folder / "abnormal.png", columns, rows, f"{names} on {dataset.name}", "most abnormal frames"
    )
    return {
        "abnormal.png": f"As Fig. 4 of the paper: of some test clips of {dataset.name} the frame "
        f"with the highest score (eq. 16) by {next(iter(found))}{both}, its prediction error, and "
        "the pixels whose score (the weighted sum of error and distance to the memory, each "
        "min-max scaled over the frame) is above the frame's average. Models: "
        f"{names}; memory as trained."
    }


def _memory_of(one: _Inspected) -> dict[str, Any]:
    """The facts about a memory as JSON holds them."""
    assert one.facts is not None and one.sampled is not None
    facts = {
        name: value if isinstance(value, float) else value.tolist()
        for name, value in vars(one.facts).items()
    }
    counts = {"queries": len(one.sampled.queries), "frames": one.sampled.frames}
    return {"items": len(one.facts.usage), **counts, **facts}


def _facts_of(one: _Inspected, places: list[tuple[str, int]]) -> dict[str, Any]:
    config, test = one.model.config, one.test
    return {
        "preset": config.preset,
        "task": config.network.task,
        "lambda_compact": config.method.lambda_compact,
        "lambda_separate": config.method.lambda_separate,
        "read_temperature": config.method.read_temperature,
        "training": one.model.training,
        "memory": None if one.facts is None else _memory_of(one),
        "auc": None if test is None else test.auc,
        "scenes": [list(place) for place in places],
        "failed": {} if test is None else test.failed,
    }
