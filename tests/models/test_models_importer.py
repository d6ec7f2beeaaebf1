"""Checkpoints as the public code saves them, made here by stand-ins with its attribute names."""

from __future__ import annotations

import io
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import types
import warnings
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import mnad
from mnad.config import MethodConfig
from mnad.errors import MnadError, UsageError
from mnad.models.folder import Model, load_model, save_model
from mnad.models.importer import import_checkpoint, to_ours
from mnad.models.restricted import _Reader
from mnad.runtime.torch import TorchRuntime
from mnad.scoring.scorer import score_and_update

MODULE = "model_of_the_public_code"
WIDTHS = (2, 4, 8, 16)  # width 1/32: smaller than any network worth having, and quick


def convolution(inputs: int, outputs: int, last: bool = False) -> list[nn.Module]:
    after = [] if last else [nn.BatchNorm2d(outputs), nn.ReLU()]
    return [nn.Conv2d(inputs, outputs, 3, padding=1), *after]


def double(inputs: int, middle: int, outputs: int, last: bool = False) -> nn.Sequential:
    return nn.Sequential(*convolution(inputs, middle), *convolution(middle, outputs, last))


def upsample(inputs: int, outputs: int) -> nn.Sequential:
    up = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(up, nn.BatchNorm2d(outputs), nn.ReLU())


class Encoder(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        a, b, c, d = WIDTHS
        self.moduleConv1, self.moduleConv2 = double(inputs, a, a), double(a, b, b)
        self.moduleConv3, self.moduleConv4 = double(b, c, c), double(c, d, d, last=True)
        self.moduleBatchNorm = nn.BatchNorm2d(d)
        self.modulePool1 = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [self.moduleConv1(x)]
        for stage in (self.moduleConv2, self.moduleConv3, self.moduleConv4):
            maps.append(stage(self.modulePool1(maps[-1])))
        return maps


class Decoder(nn.Module):
    def __init__(self, outputs: int, skips: bool) -> None:
        super().__init__()
        a, b, c, d = WIDTHS
        n = 1 if skips else 2
        self.moduleConv, self.moduleUpsample4 = double(2 * d, d, d), upsample(d, n * c)
        self.moduleDeconv3, self.moduleUpsample3 = double(2 * c, c, c), upsample(c, n * b)
        self.moduleDeconv2, self.moduleUpsample2 = double(2 * b, b, b), upsample(b, n * a)
        gen = [*double(2 * a, a, a), *convolution(a, outputs, last=True), nn.Tanh()]
        self.moduleDeconv1 = nn.Sequential(*gen)
        self.skips = skips

    def forward(self, x: Tensor, maps: list[Tensor]) -> Any:
        x = self.moduleUpsample4(self.moduleConv(x))
        for skip, stage, up in (
            (maps[2], self.moduleDeconv3, self.moduleUpsample3),
            (maps[1], self.moduleDeconv2, self.moduleUpsample2),
        ):
            x = up(stage(torch.cat([skip, x], 1) if self.skips else x))
        return self.moduleDeconv1(torch.cat([maps[0], x], 1) if self.skips else x)


class Memory(nn.Module):
    def forward(self, feature: Tensor, keys: Tensor) -> Tensor:
        query = F.normalize(feature, dim=1)
        read = (torch.einsum("bchw,mc->bmhw", query, keys)).softmax(1)
        return torch.cat([query, torch.einsum("bmhw,mc->bchw", read, keys)], 1)


class convAE(nn.Module):
    def __init__(self, inputs: int, outputs: int, skips: bool) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(inputs), Decoder(outputs, skips)
        self.memory = Memory()

    def forward(self, x: Tensor, keys: Tensor) -> Any:
        *maps, feature = self.encoder(x)
        return self.decoder(self.memory(feature, keys), maps)


@pytest.fixture(autouse=True)
def public_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """The classes above under a module that can be deleted, as the public code's can."""
    module = types.ModuleType(MODULE)
    for kind in (Encoder, Decoder, Memory, convAE):
        monkeypatch.setattr(kind, "__module__", MODULE)
        setattr(module, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, MODULE, module)


def network(inputs: int = 12, outputs: int = 3, skips: bool = True) -> convAE:
    torch.manual_seed(3)
    net = convAE(inputs, outputs, skips)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):  # statistics of a trained network, not 0 and 1
            layer.running_mean = torch.randn(layer.num_features) * 0.1
            layer.running_var = torch.rand(layer.num_features) * 0.2 + 0.1
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.3)
    return net.eval()


def unit_items(count: int = 10, channels: int = WIDTHS[3]) -> Tensor:
    return F.normalize(torch.rand(count, channels, generator=torch.Generator().manual_seed(5)))


def save(content: object, path: Path, legacy: bool = False) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the legacy format misses the source of our stand-ins
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def bgr(frames: Tensor, channels: int) -> Tensor:
    return torch.cat([f.flip(1) for f in torch.split(frames, channels, 1)], 1)


def check_same_output(
    net: convAE, model: Model, items: Tensor, inputs: int = 12, channels: int = 3
) -> None:
    frames = torch.rand(2, inputs, 32, 24, generator=torch.Generator().manual_seed(7)) * 2 - 1
    with torch.no_grad():
        expected = bgr(net(bgr(frames, channels), items), channels)
        found = model.network(frames).frame
    assert expected.std() > 1e-3  # neither constant nor saturated
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    ("task", "inputs", "channels"),
    [("prediction", 12, 3), ("prediction", 4, 1), ("reconstruction", 3, 3)],
)
def test_whole_module_gives_the_same_output(
    tmp_path: Path, task: str, inputs: int, channels: int, legacy: bool
) -> None:
    net, items = network(inputs, channels, task == "prediction"), unit_items()
    file = save(net, tmp_path / "model.pth", legacy)
    keys = save(items, tmp_path / "keys.pt", legacy)
    del sys.modules[MODULE]

    model = import_checkpoint(file, keys)

    sizes = model.config.network
    assert (sizes.task, sizes.frames_in, sizes.channels) == (task, inputs // channels, channels)
    assert (sizes.width, sizes.items, sizes.stages) == (1 / 32, 10, WIDTHS)
    assert model.config.preset == "official" and model.reference is None
    assert model.config.method.lambda_score == (0.6 if task == "prediction" else 0.7)
    assert not model.network.training
    check_same_output(net, model, items, inputs, channels)


def test_record_names_both_files(tmp_path: Path) -> None:
    file, keys = save(network(), tmp_path / "a.pth"), save(unit_items(), tmp_path / "b.pt")
    record = import_checkpoint(file, keys).training["imported"]
    assert record == {
        "checkpoint": "a.pth",
        "checkpoint_sha256": sha256(file.read_bytes()).hexdigest(),
        "items": "b.pt",
        "items_sha256": sha256(keys.read_bytes()).hexdigest(),
    }


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_state_dict(tmp_path: Path, legacy: bool) -> None:
    net, items = network(), unit_items()
    file = save(net.state_dict(), tmp_path / "model.pth", legacy)
    model = import_checkpoint(file, save(items, tmp_path / "keys.pt", legacy))
    check_same_output(net, model, items)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_and_not_written(
    tmp_path: Path, value: float
) -> None:
    """They made a model folder that no command would load."""
    net = network()
    net.state_dict()["encoder.moduleConv1.0.bias"][0] = value
    file, keys = save(net, tmp_path / "model.pth"), save(unit_items(), tmp_path / "keys.pt")
    with pytest.raises(MnadError, match=r"model\.pth holds what is no number"):
        mnad.import_checkpoint(file, keys, out=tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_imported_model_survives_its_folder_and_scores(tmp_path: Path) -> None:
    net, items = network(), unit_items()
    model = import_checkpoint(save(net, tmp_path / "model.pth"), save(items, tmp_path / "keys.pt"))
    save_model(tmp_path / "folder", model)
    again = load_model(tmp_path / "folder")
    check_same_output(net, again, items)
    windows = torch.randint(0, 256, (1, 5, 32, 32, 3), dtype=torch.uint8)
    runtime = TorchRuntime(again.network, MethodConfig(gamma=9))
    _, updated, moved = score_and_update(runtime, windows, items[None])
    assert updated.all() and moved.shape == (1, 10, WIDTHS[3])


def test_items_of_a_cuda_tensor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, items = network(), unit_items()
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        file, keys = save(net, tmp_path / "model.pth"), save(items, tmp_path / "keys.pt")
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="CUDA"):
            torch.load(keys)
    model = import_checkpoint(file, keys)
    assert next(model.network.parameters()).device.type == "cpu"
    torch.testing.assert_close(model.network.state_dict()["memory.items"], items)


def test_old_modules_with_few_attributes(tmp_path: Path) -> None:
    net, items = network(), unit_items()
    frames = torch.rand(1, 12, 16, 16)
    with torch.no_grad():
        expected = net(frames, items)
    for layer in net.modules():
        layer._buffers.pop("num_batches_tracked", None)
        for name in set(vars(layer)) - {"_modules", "_parameters", "_buffers"}:
            delattr(layer, name)
    model = import_checkpoint(
        save(net, tmp_path / "model.pth", legacy=True), save(items, tmp_path / "keys.pt")
    )
    with torch.no_grad():
        found = bgr(model.network(bgr(frames, 3)).frame, 3)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def write_like_torch_1_1(content: object, path: Path) -> Path:
    """The format of 2019 by hand: classes travel with their source, storages follow the pickle."""
    storages: dict[str, Any] = {}
    classes: set[type] = set()

    class Writer(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            if isinstance(value, type) and issubclass(value, nn.Module) and value not in classes:
                classes.add(value)
                return ("module", value, "/home/someone/model.py", f"class {value.__name__}: ...")
            if isinstance(value, torch.storage.TypedStorage):
                key = str(value._cdata)
                storages[key] = value
                kind = torch.FloatStorage if value.dtype == torch.float32 else torch.LongStorage
                return ("storage", kind, key, "cuda:0", len(value), None)
            return None

    with path.open("wb") as to:
        for head in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(head, to, protocol=2)
        Writer(to, protocol=2).dump(content)
        pickle.dump(sorted(storages), to, protocol=2)
        for key in sorted(storages):
            whole = torch.tensor([], dtype=storages[key].dtype).set_(storages[key])
            to.write(struct.pack("<q", whole.numel()) + whole.numpy().tobytes())
    return path


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_format_of_torch_1_1(tmp_path: Path) -> None:
    net, items = network(), unit_items()
    file = write_like_torch_1_1(net, tmp_path / "model.pth")
    keys = write_like_torch_1_1(items, tmp_path / "keys.pt")
    assert b"/home/someone/model.py" in file.read_bytes()
    del sys.modules[MODULE]
    model = import_checkpoint(file, keys)
    check_same_output(net, model, items)


def test_to_ours_turns_bgr_into_rgb_frame_by_frame() -> None:
    first = torch.arange(6.0).reshape(1, 6, 1, 1).expand(1, 6, 3, 3)
    last = torch.arange(3.0).reshape(3, 1, 1, 1).expand(3, 1, 3, 3)
    ours = to_ours(
        {
            "encoder.moduleConv1.0.weight": first,
            "decoder.moduleDeconv1.6.weight": last,
            "decoder.moduleDeconv1.6.bias": torch.tensor([5.0, 6.0, 7.0]),
            "decoder.moduleDeconv1.3.weight": torch.ones(1),
            "decoder.moduleUpsample3.1.bias": torch.ones(1),
            "encoder.moduleBatchNorm.weight": torch.ones(1),
        }
    )
    assert ours["encoder.stage1.0.weight"][0, :, 0, 0].tolist() == [2, 1, 0, 5, 4, 3]
    assert ours["decoder.out.1.weight"][:, 0, 0, 0].tolist() == [2, 1, 0]
    assert ours["decoder.out.1.bias"].tolist() == [7, 6, 5]
    assert set(ours) == {
        "encoder.stage1.0.weight",
        "decoder.out.1.weight",
        "decoder.out.1.bias",
        "decoder.out.0.3.weight",
        "decoder.up3.1.bias",
    }


class Calls:
    """Pickles as a call of anything."""

    def __init__(self, function: Callable[..., Any], *args: object) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


def payloads(mark: Path) -> dict[str, Calls]:
    return {
        "os.system": Calls(os.system, f"touch {mark}"),
        "exec": Calls(exec, f"open({str(mark)!r}, 'w')"),
        "eval": Calls(eval, f"open({str(mark)!r}, 'w')"),
        "subprocess": Calls(subprocess.call, ["touch", str(mark)]),
        "open": Calls(open, str(mark), "w"),
        "getattr": Calls(getattr, nn.Module, "eval"),
        "torch.hub": Calls(torch.hub.load, "someone/something", "x"),
        "torch.save": Calls(torch.save, 1, str(mark)),
    }


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("place", ["alone", "attribute", "state_dict", "items"])
@pytest.mark.parametrize("what", payloads(Path("x")))
def test_nothing_in_a_file_runs(tmp_path: Path, what: str, place: str, legacy: bool) -> None:
    mark = tmp_path / "mark"
    bad, content = payloads(mark)[what], network()
    if place == "attribute":
        content.decoder.moduleConv[1].extra = [bad]  # type: ignore[assignment]
    places: dict[str, object] = {
        "alone": bad,
        "state_dict": OrderedDict(content.state_dict(), extra=bad),
    }
    file = save(places.get(place, content), tmp_path / "model.pth", legacy)
    keys = save(bad if place == "items" else unit_items(), tmp_path / "keys.pt", legacy)
    with pytest.raises(MnadError, match=r"refers to .* which could run code") as caught:
        import_checkpoint(file, keys)
    assert not mark.exists()
    assert str(keys if place == "items" else file) in str(caught.value)
    assert caught.value.exit_code == 1


def test_the_payloads_are_real(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    file = save(payloads(mark)["os.system"], tmp_path / "model.pth")
    torch.load(file, weights_only=False)
    assert mark.exists()


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_a_bare_pickle_runs_nothing(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "mark"
    file = tmp_path / "model.pth"
    file.write_bytes(pickle.dumps(payloads(mark)["os.system"], protocol=protocol))
    with pytest.raises(MnadError, match="system"):
        import_checkpoint(file, save(unit_items(), tmp_path / "keys.pt"))
    assert not mark.exists()


def test_a_pickle_cannot_change_what_the_next_one_meets(tmp_path: Path) -> None:
    """BUILD may set attributes of a named class: they must not outlive the file."""
    stream = (
        b"\x80\x02cmodel.x\nconvAE\nN}X\x08\x00\x00\x00poisonedK\x01s\x86b"  # class, (None, {...})
        b"0cmodel.x\nconvAE\n)\x81."
    )
    first = _Reader(io.BytesIO(stream), tmp_path, lambda *_: torch.ones(1)).load()
    assert first.poisoned == 1  # the attempt works within the file
    clean = b"\x80\x02cmodel.x\nconvAE\n)\x81."
    assert not hasattr(
        _Reader(io.BytesIO(clean), tmp_path, lambda *_: torch.ones(1)).load(), "poisoned"
    )


def test_a_few_bytes_cannot_ask_for_much_memory(tmp_path: Path) -> None:
    """An index far out in the memo makes the usual unpickler allocate all that lies before it."""
    keys = save(unit_items(), tmp_path / "keys.pt")
    keys.write_bytes(b"\x80\x02Nr" + struct.pack("<I", 2**24) + b".")
    tracemalloc.start()
    with pytest.raises(MnadError, match=r"keys\.pt is damaged"):
        import_checkpoint(save(network().state_dict(), tmp_path / "model.pth"), keys)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**25


def test_a_tensor_cannot_be_larger_than_its_storage(tmp_path: Path) -> None:
    keys = save(unit_items()[:1].expand(10**7, -1), tmp_path / "keys.pt")
    assert keys.stat().st_size < 10_000
    with pytest.raises(MnadError, match=r"keys\.pt is damaged"):
        import_checkpoint(save(network().state_dict(), tmp_path / "model.pth"), keys)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_file(tmp_path: Path, legacy: bool, share: float) -> None:
    file = save(network(), tmp_path / "model.pth", legacy)
    keys = save(unit_items(), tmp_path / "keys.pt")
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(MnadError, match=r"model\.pth is damaged"):
        import_checkpoint(file, keys)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_flipped_bytes_end_in_a_sentence_or_a_model(tmp_path: Path, legacy: bool) -> None:
    whole = bytearray(save(network(), tmp_path / "model.pth", legacy).read_bytes())
    keys = save(unit_items(), tmp_path / "keys.pt")
    generator = torch.Generator().manual_seed(0)
    file, failed = tmp_path / "flipped.pth", 0
    for _ in range(150):
        changed = bytearray(whole)
        for _ in range(4):
            at = int(torch.randint(len(whole) // 2, (), generator=generator))
            changed[at] = int(torch.randint(256, (), generator=generator))
        file.write_bytes(changed)
        try:
            import_checkpoint(file, keys)
        except MnadError as error:
            failed += 1
            assert "\n" not in str(error)
    assert failed > 0


def test_text_files(tmp_path: Path) -> None:
    text = tmp_path / "text.pth"
    text.write_text("this is no checkpoint\n")
    good, keys = save(network(), tmp_path / "model.pth"), save(unit_items(), tmp_path / "keys.pt")
    for pair in ((text, keys), (good, text)):
        with pytest.raises(MnadError, match=r"text\.pth is damaged or was not saved by PyTorch"):
            import_checkpoint(*pair)


def test_missing_file(tmp_path: Path) -> None:
    keys = save(unit_items(), tmp_path / "keys.pt")
    with pytest.raises(UsageError, match=r"none\.pth does not exist"):
        import_checkpoint(tmp_path / "none.pth", keys)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (unit_items(10, 8), "items of 8 channels, but the queries of .* have 16"),
        (unit_items()[0], "holds no memory items"),
        ({"items": unit_items()}, "holds no memory items"),
        (unit_items() * 3, "not of length 1"),
        (unit_items() * float("nan"), "not of length 1"),
        (unit_items().numpy(), r"keys\.pt refers to 'numpy.*, or the items as one tensor"),
    ],
    ids=["width", "vector", "dict", "scale", "nan", "numpy"],
)
def test_wrong_items(tmp_path: Path, items: Any, message: str) -> None:
    file = save(network(), tmp_path / "model.pth")
    with pytest.raises(MnadError, match=message):
        import_checkpoint(file, save(items, tmp_path / "keys.pt"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (nn.Linear(2, 2), "no network of the public MNAD code"),
        (unit_items(), "holds no network"),
        ({"epoch": 3, "weights": torch.ones(2)}, "holds no network"),
        ([], "holds no network"),
        (network(inputs=8, outputs=2), "no network of the public MNAD code"),
        (OrderedDict(network().state_dict(), extra=torch.ones(1)), "no network of the public"),
    ],
    ids=["other", "tensor", "training state", "list", "two channels", "extra layer"],
)
def test_no_such_network(tmp_path: Path, content: Any, message: str) -> None:
    file = save(content, tmp_path / "model.pth")
    with pytest.raises(MnadError, match=message):
        import_checkpoint(file, save(unit_items(), tmp_path / "keys.pt"))
