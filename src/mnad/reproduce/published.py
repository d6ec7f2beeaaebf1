"""What was published of this method, in which setting and protocol, and what is not known of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from mnad.config import Policy, Precision, Preset, Task
from mnad.evaluation.protocol import PUBLISHED
from mnad.presets import preset_of, scale_of

Name = Literal["ped2", "avenue", "shanghaitech", "mvtec", "loco", "phantom", "ssv2"]


@dataclass(frozen=True)
class Figure:
    """A published number.

    Attributes:
        what: it is.
        value: 0..1.
    """

    what: str
    value: float


@dataclass(frozen=True)
class Publication:
    """What was published for a data set.

    Attributes:
        figures: by the key of our number that they stand beside (`mnad.reproduce.summary`); none
            where nothing was published.
        source: where.
        protocol: of the figures, as far as it is known.
        unknown: what was not published, a sentence each; with any of it nothing can be compared as
            like with like.
        classes: how many models the figures are averages over; 1: one model.
    """

    figures: dict[str, Figure]
    source: str
    protocol: str
    unknown: tuple[str, ...] = ()
    classes: int = 1


_UNTRAINED = "The settings of that training (size, epochs, task, learning rate) were not published."
_POOLING = "How frame scores were pooled to a score of the clip was not published."


def publication(name: Name, task: Task) -> Publication:
    """What was published of a data set and a task."""
    if name == "phantom":
        return Publication(
            {"combined, mean": Figure("video AUC", 0.55)},
            "Kart and Cohen 2021, arXiv 2112.07661",
            "AUC over whole clips, average of the six classes",
            (
                _UNTRAINED,
                _POOLING,
                "That all folders of anomalies of a class count together is our reading.",
            ),
            6,
        )
    if name == "ssv2":
        return Publication(
            {"combined, mean": Figure("video AUC", 0.52)},
            "Kart and Cohen 2021, arXiv 2112.07661",
            "AUC over whole clips, average of ten classes",
            (
                _UNTRAINED,
                _POOLING,
                "That the test clips of the other nine classes are the anomalies is our reading.",
            ),
            10,
        )
    if name == "loco":
        return Publication(
            {
                "image AUROC, logical": Figure("image AUROC, logical", 0.600),
                "image AUROC, structural": Figure("image AUROC, structural", 0.702),
                "image AUROC, mean": Figure("image AUROC, mean of both", 0.651),
                "AU-sPRO 0.05": Figure("AU-sPRO to FPR 5 %", 0.339),
            },
            "listed for MNAD under MVTec LOCO AD on Papers With Code",
            "that of the benchmark: highest value of the anomaly map for an image, AU-sPRO to FPR "
            "5 %, average of the five objects",
            (_UNTRAINED, "How the anomaly map was made was not published."),
            5,
        )
    if name == "mvtec":
        return Publication({}, "", "", ("No number of this method is published for MVTec AD.",), 15)
    return Publication(
        {"frame AUC, per clip": Figure("frame AUC", PUBLISHED[name, task])},
        "the paper, Table 1",
        "frame AUC, PSNR and distance each min-max scaled within the finished clip (looks ahead), "
        "frames of all clips pooled, memory updated at test time, no smoothing",
    )


@dataclass(frozen=True)
class Setting:
    """How models are trained and tested.

    Attributes:
        task: prediction or reconstruction.
        preset: reading of the equations.
        epochs: passes over the training windows.
        batch_size: windows per step.
        learning_rate: at the start.
        channels: 1 or 3.
        width: factor on the paper's channels.
        height: rows of the frames.
        image_width: columns.
        items: of the memory.
        precision: of the training.
        policy: of the memory at test time.
    """

    task: Task
    preset: Preset
    epochs: int
    batch_size: int
    learning_rate: float
    channels: Literal[1, 3]
    width: float
    height: int
    image_width: int
    items: int
    precision: Precision
    policy: Policy


def usual_task(name: Name) -> Task:
    """The task of the published number; of images, whose was not published, the only one."""
    return "reconstruction" if name in ("mvtec", "loco") else "prediction"


def published_setting(name: Name, task: Task, preset: Preset) -> Setting:
    """The paper's setting; for what its authors did not train on, that of its smallest data set.

    The learning rate is the preset's, see `paper_learning_rate`.
    """
    scale = scale_of(preset)
    policy: Policy = "carried"
    if name in ("phantom", "ssv2"):
        policy = "reset"
    elif name in ("mvtec", "loco"):
        policy = "frozen"
    return Setting(
        task,
        preset,
        10 if name == "shanghaitech" else scale.epochs,
        4,
        preset_of(preset, task)[1],
        scale.channels,
        scale.width,
        scale.height,
        scale.image_width,
        10,
        "fp32",
        policy,
    )


def paper_learning_rate(task: Task) -> float:
    """The learning rate that the paper states.

    The public code's command for the reconstruction leaves it out, and so trains at ten times it.
    """
    return preset_of("paper", task)[1]


def overridden(published: dict[str, Any], ours: dict[str, Any]) -> dict[str, list[Any]]:
    """Settings that differ: name to the published and our value."""
    return {name: [value, ours[name]] for name, value in published.items() if ours[name] != value}
