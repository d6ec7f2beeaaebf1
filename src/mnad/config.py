"""What a model is, how it is trained, how it scores: frozen dataclasses, nothing heavy imported.

Every choice in which the paper (Park, Noh, Ham, CVPR 2020, arXiv 2003.13228) and its public code
differ in a way that changes a number is a field of `MethodConfig`; `mnad.presets` names some points
in that space.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from types import NoneType
from typing import Literal, get_args, get_origin, get_type_hints

from mnad.errors import UsageError

Task = Literal["prediction", "reconstruction"]
Preset = Literal["official", "paper", "camera"]
Policy = Literal["carried", "reset", "frozen"]
DecoderInput = Literal["both", "read", "query", "none"]
Convolution = Literal["full", "separable"]
Upsampling = Literal["transposed", "nearest"]
Padding = Literal["zeros", "reflect"]
ReconstructionLoss = Literal["mse", "norm", "norm_mean", "squared_sum"]
MemoryLoss = Literal["official", "paper", "norm_mean", "squared_sum"]
ItemLearning = Literal["update", "gradient"]
PseudoAnomalies = Literal["both", "skip", "deform"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16"]
RuntimeName = Literal[
    "auto", "torch", "torch-bf16", "openvino", "openvino-int8", "ncnn", "onnx", "onnx-int8"
]
LiveRuntimeName = Literal["auto", "torch", "openvino"]
ExportFormat = Literal["openvino", "ncnn", "onnx"]


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise UsageError(sentence)


def one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """See that an option is one of those that there are, which a type alone does not enforce.

    Raises:
        UsageError: it is not.
    """
    _require(
        value in allowed, f"{name} is {value!r}; choose one of {', '.join(map(repr, allowed))}."
    )


def _require_whole(name: str, value: object) -> None:
    """See that a number is a whole one: as a count or size 1.0 fails once the work has begun."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    _require(whole, f"{name} is {value!r}; it must be a whole number.")


def require_count(name: str, value: int) -> None:
    """See that there is one or more of something.

    Raises:
        UsageError: it is not a whole number, or less.
    """
    _require_whole(name, value)
    _require(value >= 1, f"{name} is {value}; it must be 1 or more.")


def _require_kinds(config: object) -> None:
    """See that each field of a dataclass that has named values only holds one of these, and each
    whole number is one.
    """
    for name, kind in get_type_hints(type(config)).items():
        value, kinds = getattr(config, name), get_args(kind) or (kind,)
        if get_origin(kind) is Literal:
            one_of(name, value, kinds)
        if (int in kinds or 1 in kinds) and not (value is None and NoneType in kinds):
            _require_whole(name, value)


def make_plain(config: object) -> None:
    """Make NumPy's numbers, as of ``for seed in np.arange(3)``, numbers of Python.

    Others are not written to JSON, nor taken by a generator of random numbers.
    """
    for name, value in [*vars(config).items()]:
        if hasattr(value, "item"):
            object.__setattr__(config, name, value.item())


def require_seed(seed: int) -> None:
    """See that a seed is one that every generator of random numbers takes.

    Raises:
        UsageError: it is not.
    """
    _require_whole("seed", seed)
    _require(0 <= seed < 2**32, f"seed is {seed}; give a whole number from 0 to {2**32 - 1}.")


@dataclass(frozen=True)
class NetworkConfig:
    """The dimensions of a network: enough, with the weights, to build it again.

    Args:
        task: ``prediction`` (frames in, the one after them out, U-Net skips) or
            ``reconstruction`` (no skips, the wider decoder of the public code).
        frames_in: length of the input window: 4 for prediction, 1 for reconstruction, 16 for
            reconstruction with motion cues (the 9th frame is the target).
        channels: 1 (grey) or 3 (RGB).
        width: factor on the paper's channel counts 64, 128, 256, 512.
        memory: without it the decoder gets the L2-normalised query alone ("w/o Mem.").
        items: number of memory items, M in the paper.
        decoder_input: what the decoder gets of the memory: ``both`` (query and aggregate, paper),
            the aggregate alone (``read``, as MemAE does), the ``query`` alone (the memory then
            shapes the features by its losses only), or ``none``: the deepest stage is left out,
            and a learnt constant map takes its place; without memory, in prediction alone.
        skip_maps: how many of the encoder's three maps reach the decoder in prediction, the
            coarsest first; the paper's 3, or fewer. Reconstruction has none.
        convolution: ``full`` (paper), or ``separable``: within each channel, then across them.
        upsampling: by ``transposed`` convolutions (paper), or ``nearest``: a 1x1 convolution, then
            repetition.
        padding: what convolutions find beyond the border: ``zeros`` (paper), or ``reflect``: the
            mirror image, which does not tell how far the border is.
        height: rows of the frame as the network sees it, a multiple of 8.
        image_width: columns of that frame, a multiple of 8.

    Raises:
        UsageError: a value outside its range.
    """

    task: Task = "prediction"
    frames_in: int = 4
    channels: Literal[1, 3] = 3
    width: float = 1.0
    memory: bool = True
    items: int = 10
    decoder_input: DecoderInput = "both"
    skip_maps: int = 3
    convolution: Convolution = "full"
    upsampling: Upsampling = "transposed"
    padding: Padding = "zeros"
    height: int = 256
    image_width: int = 256

    def __post_init__(self) -> None:
        make_plain(self)
        _require_kinds(self)
        require_count("frames_in", self.frames_in)
        _require(0.03 <= self.width <= 4, f"width is {self.width}; it must lie between 0.03 and 4.")
        require_count("items", self.items)
        one_of("skip_maps", self.skip_maps, (0, 1, 2, 3))
        _require(
            self.decoder_input != "none" or (not self.memory and any(self.skips)),
            "decoder_input is 'none'; that takes prediction with skips, and no memory.",
        )
        for name, size in (("height", self.height), ("image_width", self.image_width)):
            _require(
                16 <= size <= 8192 and size % 8 == 0,
                f"{name} is {size}; use a multiple of 8 from 16 to 8192.",
            )

    @property
    def window(self) -> int:
        """Frames that a sample spans, input and target together."""
        return self.frames_in + 1 if self.task == "prediction" else self.frames_in

    @property
    def target(self) -> int:
        """Index in the window of the frame that the network puts out."""
        return self.frames_in if self.task == "prediction" else self.frames_in // 2

    @property
    def skips(self) -> tuple[bool, bool, bool]:
        """Which encoder maps reach the decoder, of stages 1 to 3, the finest first (section 3.1
        of the paper: all in prediction, none in reconstruction).
        """
        kept = self.skip_maps if self.task == "prediction" else 0
        return kept >= 3, kept >= 2, kept >= 1

    @property
    def stages(self) -> tuple[int, int, int, int]:
        """Channels of the four encoder stages."""
        a, b, c, d = (max(2, round(n * self.width)) for n in (64, 128, 256, 512))
        return a, b, c, d

    @property
    def decoder_channels(self) -> int:
        """Channels that the decoder gets: C, or 2C where it gets queries and aggregates."""
        return self.stages[-1] * (2 if self.memory and self.decoder_input == "both" else 1)

    @property
    def feature_size(self) -> tuple[int, int]:
        """Rows and columns of the query map."""
        return self.height // 8, self.image_width // 8


@dataclass(frozen=True)
class MethodConfig:
    """How the equations of the paper are read.

    Args:
        reconstruction_loss: eq. 9: ``mse`` (mean squared error over the batch, public code) or
            ``norm`` (sum over frames of the L2 norm of the error image, as printed). What lies
            between them changes either the square or the scale: ``norm_mean`` (mean over frames
            of the root mean squared error), ``squared_sum`` (sum of all squared errors).
        memory_loss: eq. 10, 12, 14: ``official`` (compactness and distance are the mean squared
            difference, divided by C too; separateness is a mean over queries) or ``paper``
            (un-squared norms; both losses sum over all queries, the distance is their mean).
            Between them: ``norm_mean`` (un-squared norms, means over the queries) and
            ``squared_sum`` (squared norms in the compactness, sums over the queries; the distance
            is the official one).
        detach_read: eq. 1-2: stop the gradient at the matching probabilities (public code).
        read_temperature: eq. 1: what the cosines are divided by before the softmax; the paper's 1,
            or less for a read that goes to few items.
        item_learning: eq. 3: the ``update`` overwrites the items (paper), or they are learnt by
            the ``gradient`` of the losses, and scaled to unit norm after each step.
        update_scope: eq. 5: the maximum is taken over all queries of the ``batch`` (public code)
            or over those ``assigned`` to the item in that frame (paper).
        update_momentum: eq. 3, in training and at test: how much of the old item stays, 0..1; at
            the paper's 0 an item becomes all but the mean of its queries.
        psnr_peak: eq. 15: ``one`` (public code) or ``prediction`` (the maximum of the network's
            output on the 0..1 scale).
        regular_error: eq. 6-7: ``squared`` (per element, images in 0..1, public code) or ``norm``
            (per pixel, un-squared L2 over the channels, images in 0..1).
        gamma: largest regular score of a frame that may update the memory at test time; it
            belongs to the definition chosen by `regular_error`.
        margin: alpha in eq. 12.
        lambda_compact: weight of eq. 10 in eq. 8.
        lambda_separate: weight of eq. 12 in eq. 8.
        lambda_pseudo: weight of a loss that the paper has not: of pseudo-anomalies the queries
            where something moves are driven off the items, and those of normal windows onto them
            (`mnad.network.losses.pseudo_anomalous`). For prediction with memory; 0 for none.
        pseudo_anomalies: what these are, made of normal windows: ``skip`` (frames are skipped, so
            that everything is faster), ``deform`` (what moves is squashed, stretched, sheared or
            upside down), or ``both`` (`mnad.training.pseudo`).
        lambda_score: weight of the PSNR part in eq. 16, 0..1; 1 means PSNR alone.
        lambda_camera: weight of the worst place in the score for cameras, 0..1; the rest is that of
            the distance to the memory, which tells something where pseudo-anomalies have taught it.
    """

    reconstruction_loss: ReconstructionLoss = "mse"
    memory_loss: MemoryLoss = "official"
    detach_read: bool = True
    read_temperature: float = 1.0
    item_learning: ItemLearning = "update"
    update_scope: Literal["batch", "assigned"] = "batch"
    update_momentum: float = 0.0
    psnr_peak: Literal["one", "prediction"] = "one"
    regular_error: Literal["squared", "norm"] = "squared"
    gamma: float = 0.01
    margin: float = 1.0
    lambda_compact: float = 0.1
    lambda_separate: float = 0.1
    lambda_pseudo: float = 0.0
    pseudo_anomalies: PseudoAnomalies = "both"
    lambda_score: float = 0.6
    lambda_camera: float = 1.0

    def __post_init__(self) -> None:
        make_plain(self)
        _require_kinds(self)
        _require(
            self.read_temperature > 0,
            f"read_temperature is {self.read_temperature}; it must be above 0.",
        )
        _require(
            0 <= self.update_momentum < 1,
            f"update_momentum is {self.update_momentum}; it is a share from 0 to below 1.",
        )
        _require(
            self.lambda_pseudo >= 0,
            f"lambda_pseudo is {self.lambda_pseudo}; it is a weight of 0 or more.",
        )
        for name in ("lambda_score", "lambda_camera"):
            weight = getattr(self, name)
            _require(0 <= weight <= 1, f"{name} is {weight}; it is a weight from 0 to 1.")


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained: Adam with betas (0.9, 0.999) and cosine annealing to zero.

    Args:
        epochs: passes over all windows of all training clips.
        batch_size: windows per step.
        learning_rate: at the start.
        seed: of the initial weights, the initial items and the order of the windows.
        precision: ``fp32``, ``bf16`` (autocast; weights, memory and losses stay fp32), or
            ``auto``: bf16 on a CUDA GPU that computes it (from Ampere on), fp32 elsewhere.
        most_windows: train on at most so many windows in each epoch, evenly spread over the
            footage, others in each; None for all.
        vary_light: each window is up to this share brighter or darker, as a whole, 0 to below 1.
        vary_noise: the input of each has up to this much Gaussian noise, in grey levels of 0..255.
    """

    epochs: int = 60
    batch_size: int = 4
    learning_rate: float = 2e-4
    seed: int = 0
    precision: Precision = "auto"
    most_windows: int | None = None
    vary_light: float = 0.0
    vary_noise: float = 0.0

    def __post_init__(self) -> None:
        make_plain(self)
        _require_kinds(self)
        require_count("epochs", self.epochs)
        require_count("batch_size", self.batch_size)
        _require(
            self.learning_rate > 0, f"learning_rate is {self.learning_rate}; it must be above 0."
        )
        require_seed(self.seed)
        if self.most_windows is not None:
            require_count("most_windows", self.most_windows)
        _require(
            0 <= self.vary_light < 1,
            f"vary_light is {self.vary_light}; it is a share from 0 to below 1.",
        )
        _require(
            0 <= self.vary_noise <= 100,
            f"vary_noise is {self.vary_noise}; give grey levels from 0 to 100.",
        )


@dataclass(frozen=True)
class ModelConfig:
    """Everything about a model but its weights; `config.json` of a model folder.

    Args:
        network: the dimensions of the network.
        method: the reading of the equations.
        preset: what both come from.
        rate: frames per second that are looked at, of sources that have more; None for all.
    """

    network: NetworkConfig = NetworkConfig()
    method: MethodConfig = MethodConfig()
    preset: Preset | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        make_plain(self)
        network = self.network
        _require(
            not self.method.lambda_pseudo or (network.task == "prediction" and network.memory),
            "lambda_pseudo is for prediction with memory: a window of a reconstruction has no "
            "frame before its target, and without memory there are no items to be driven off.",
        )
        _require(
            self.method.lambda_camera == 1 or network.memory,
            f"lambda_camera is {self.method.lambda_camera}; without memory there is no distance to "
            "have the rest of the weight: leave it at 1.",
        )
