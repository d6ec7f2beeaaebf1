"""The rows of an ablation by name: what is trained, how it is tested, which row it is compared to.

Most rows are one named change from ``official``, the public code's reading. A change of training
has a name of its own, as several rows may rest on one training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mnad.config import Policy, Task
from mnad.errors import UsageError


@dataclass(frozen=True)
class Change:
    """What a training changes.

    Attributes:
        network: fields of `NetworkConfig`.
        method: fields of `MethodConfig`.
        preset: the reading that the changes are made to.
    """

    network: Mapping[str, Any] = field(default_factory=dict)
    method: Mapping[str, Any] = field(default_factory=dict)
    preset: Literal["official", "paper"] = "official"


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        name: of the row.
        about: what it is, for the legend.
        training: name of its `Change`.
        against: the row that it is one change away from.
        task: its own; None for that of the command.
        policy: of the memory at test time.
        at_test: fields of `MethodConfig` that are changed after the training.
        lambda_score: weight of the PSNR; None for the paper's.
        published: which figure of the paper's Table 1 belongs beside it.
    """

    name: str
    about: str
    training: str = "official"
    against: str | None = "official"
    task: Task | None = None
    policy: Policy = "carried"
    at_test: Mapping[str, Any] = field(default_factory=dict)
    lambda_score: float | None = None
    published: Literal["with", "without"] | None = None

    @property
    def test(self) -> str:
        """A name for how the trained model is tested, the same for rows that are tested alike."""
        return self.name if self.at_test else self.policy


COUNTS = (1, 2, 5, 20, 50, 200, 2000)
"""Numbers of items beside the paper's 10; the last one is MemAE's."""
NO_GATE = 1e9
"""A gamma that no frame reaches."""


def _pseudo(**kinds: str) -> Change:
    return Change(method={"reconstruction_loss": "norm", "lambda_pseudo": 5.0, **kinds})


CHANGES: dict[str, Change] = {
    "official": Change(),
    "paper": Change(preset="paper"),
    "no-memory": Change({"memory": False}),
    "frames-16": Change({"frames_in": 16}),
    "no-losses": Change(method={"lambda_compact": 0.0, "lambda_separate": 0.0}),
    "compactness": Change(method={"lambda_separate": 0.0}),
    "separateness": Change(method={"lambda_compact": 0.0}),
    "loss-norm": Change(method={"reconstruction_loss": "norm"}),
    "no-memory-loss-norm": Change({"memory": False}, {"reconstruction_loss": "norm"}),
    "loss-norm-skip": _pseudo(pseudo_anomalies="skip"),
    "loss-norm-deform": _pseudo(pseudo_anomalies="deform"),
    "loss-norm-pseudo": _pseudo(),
    "loss-norm-mean": Change(method={"reconstruction_loss": "norm_mean"}),
    "loss-squared-sum": Change(method={"reconstruction_loss": "squared_sum"}),
    "memory-paper": Change(method={"memory_loss": "paper"}),
    "memory-norm-mean": Change(method={"memory_loss": "norm_mean"}),
    "memory-squared-sum": Change(method={"memory_loss": "squared_sum"}),
    "read-gradient": Change(method={"detach_read": False}),
    "update-assigned": Change(method={"update_scope": "assigned"}),
    "momentum-0.9": Change(method={"update_momentum": 0.9}),
    "momentum-0.99": Change(method={"update_momentum": 0.99}),
    "temperature-0.1": Change(method={"read_temperature": 0.1}),
    "temperature-0.01": Change(method={"read_temperature": 0.01}),
    "learnt-items": Change(method={"item_learning": "gradient"}),
    "read-alone": Change({"decoder_input": "read"}),
    "query-alone": Change({"decoder_input": "query"}),
    "no-bottleneck": Change({"decoder_input": "none", "memory": False}),
    "skips-2": Change({"skip_maps": 2}),
    "skips-1": Change({"skip_maps": 1}),
    "skips-0": Change({"skip_maps": 0}),
    "reflect": Change({"padding": "reflect"}),
    "margin-0.5": Change(method={"margin": 0.5}),
    "margin-2": Change(method={"margin": 2.0}),
    "as-memae": Change(
        {"decoder_input": "read", "items": 2000},
        {
            "detach_read": False,
            "read_temperature": 0.1,
            "item_learning": "gradient",
            "lambda_compact": 0.0,
            "lambda_separate": 0.0,
        },
    ),
    **{f"items-{count}": Change({"items": count}) for count in COUNTS},
}

# fmt: off
_ROWS = (
    Row("P", "prediction with memory (Table 1)", against="P-no-memory", task="prediction",
        published="with"),
    Row("P-no-memory", "prediction without memory (Table 1)", "no-memory", None, "prediction",
        published="without"),
    Row("R", "reconstruction with memory (Table 1)", against="R-no-memory",
        task="reconstruction", published="with"),
    Row("R-no-memory", "reconstruction without memory (Table 1)", "no-memory", None,
        "reconstruction", published="without"),
    Row("R-16", "reconstruction of the 9th of 16 frames, with memory", "frames-16", "R",
        "reconstruction"),

    Row("official", "all of the public code: memory, both losses, gated update, both score parts",
        against=None, published="with"),
    Row("no-memory", "no memory; PSNR alone scores", "no-memory", published="without"),
    Row("no-losses", "memory without compactness and separateness", "no-losses"),
    Row("no-losses-psnr", "the same, PSNR alone", "no-losses", lambda_score=1.0),
    Row("compactness", "memory with compactness, without separateness", "compactness"),
    Row("separateness", "memory with separateness, without compactness", "separateness"),
    Row("frozen", "official, memory not updated at test", policy="frozen"),
    Row("reset", "official, memory as trained at the start of each clip", policy="reset"),
    Row("no-gate", "official, every test frame updates the memory", at_test={"gamma": NO_GATE}),
    Row("psnr-only", "official, PSNR alone (lambda 1)", lambda_score=1.0),
    Row("distance-only", "official, distance alone (lambda 0)", lambda_score=0.0),
    Row("frozen-distance", "official, memory not updated at test, distance alone",
        policy="frozen", lambda_score=0.0),

    Row("paper", "all as printed in the paper", "paper", published="with"),
    Row("loss-norm", "eq. 9: sum of norms, as printed", "loss-norm"),
    Row("no-memory-loss-norm", "eq. 9 as printed, without memory", "no-memory-loss-norm",
        "no-memory"),
    Row("loss-norm-mean", "eq. 9: norms, but means", "loss-norm-mean"),
    Row("loss-squared-sum", "eq. 9: squared, but sums", "loss-squared-sum"),
    Row("memory-paper", "eq. 10, 12, 14: sums of norms, as printed", "memory-paper"),
    Row("memory-norm-mean", "eq. 10, 12, 14: norms, but means", "memory-norm-mean"),
    Row("memory-squared-sum", "eq. 10, 12: squared compactness, but sums", "memory-squared-sum"),
    Row("read-gradient", "eq. 1-2: the gradient passes the read", "read-gradient"),
    Row("update-assigned", "eq. 5: maximum over the queries of the item", "update-assigned"),
    Row("psnr-peak", "eq. 15: maximum of the prediction", at_test={"psnr_peak": "prediction"}),
    Row("regular-norm", "eq. 6-7: norms, with the same gamma", at_test={"regular_error": "norm"}),

    Row("momentum-0.9", "eq. 3: nine tenths of the old item stay", "momentum-0.9"),
    Row("momentum-0.99", "eq. 3: 99 % of the old item stay", "momentum-0.99"),
    Row("momentum-at-test", "official, at test 99 % of the old item stay",
        at_test={"update_momentum": 0.99}),
    Row("temperature-0.1", "eq. 1: cosines divided by 0.1", "temperature-0.1"),
    Row("temperature-0.01", "eq. 1: cosines divided by 0.01", "temperature-0.01"),
    Row("learnt-items", "eq. 3: items learnt by gradient", "learnt-items"),
    Row("learnt-frozen", "the same, memory not updated at test", "learnt-items", policy="frozen"),
    Row("read-alone", "the decoder gets the read alone", "read-alone"),
    Row("query-alone", "the decoder gets the query alone; the memory acts by its losses only",
        "query-alone"),
    Row("no-bottleneck", "neither memory nor deepest stage, a learnt constant in their place; PSNR "
        "alone scores", "no-bottleneck"),
    Row("skips-2", "no skip at full size", "skips-2"),
    Row("skips-1", "the skip at a quarter of the size only", "skips-1"),
    Row("skips-0", "no skips", "skips-0"),
    Row("reflect", "the mirror image beyond the border, not zeros, which tell where it is",
        "reflect"),
    Row("margin-0.5", "eq. 12: margin 0.5", "margin-0.5"),
    Row("margin-2", "eq. 12: margin 2", "margin-2"),
    Row("loss-norm-skip", "eq. 9 as printed, and windows that skip frames driven off the items",
        "loss-norm-skip", "loss-norm"),
    Row("loss-norm-deform", "eq. 9 as printed, and deformed things that move driven off the items",
        "loss-norm-deform", "loss-norm"),
    Row("loss-norm-pseudo", "eq. 9 as printed, and pseudo-anomalies of both kinds",
        "loss-norm-pseudo", "loss-norm"),
    Row("as-memae", "towards MemAE: 2,000 learnt items, the read alone, temperature 0.1, no memory "
        "losses; memory not updated at test", "as-memae", policy="frozen"),

    *(Row(f"items-{count}", f"{count:,} item{'s' * (count > 1)}", f"items-{count}")
      for count in COUNTS),
)
# fmt: on
ROWS = {row.name: row for row in _ROWS}

_NAMES = tuple(ROWS)
_FIRST = {"table2": "official", "readings": "paper", "memory": "momentum-0.9", "items": "items-1"}
_AT = [_NAMES.index(name) for name in _FIRST.values()]
GROUPS: dict[str, tuple[str, ...]] = {
    "at-test": tuple(row.name for row in _ROWS if row.training == "official" and row.task is None),
    "table1": ("P-no-memory", "P", "R-no-memory", "R", "R-16"),
    "table2": _NAMES[_AT[0] : _AT[1]],
    "readings": ("official", *_NAMES[_AT[1] : _AT[2]]),
    "memory": ("official", *_NAMES[_AT[2] : _AT[3]]),
    "items": (
        *(f"items-{count}" for count in COUNTS if count < 10),
        "official",
        *(f"items-{count}" for count in COUNTS if count > 10),
    ),
}


def choose(wanted: str) -> list[Row]:
    """The rows that a list of rows and groups names, with commas between, each once, in order.

    Raises:
        UsageError: a name that is neither; the sentence lists all names.
    """
    names: dict[str, None] = {}
    for word in (word.strip() for word in wanted.split(",")):
        if word == "all":
            names |= dict.fromkeys(name for group in GROUPS.values() for name in group)
        elif word in GROUPS:
            names |= dict.fromkeys(GROUPS[word])
        elif word in ROWS:
            names[word] = None
        else:
            raise UsageError(
                f"rows has {word!r}; give groups ({', '.join(GROUPS)}, all) or rows "
                f"({', '.join(ROWS)}), with commas between."
            )
    return [ROWS[name] for name in names]
