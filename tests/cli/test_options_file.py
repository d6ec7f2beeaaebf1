"""`--config FILE`: what it overrides, and one sentence for whatever is wrong with the file."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mnad import cli
from mnad.cli import main
from mnad.errors import MnadError

Given = Callable[..., dict[str, Any]]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Given:
    """What a command would be called with, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def of(*words: str) -> dict[str, Any]:
        name = " ".join(words[: 2 if words[0] == "data" else 1])
        called: dict[str, Any] = {}

        @functools.wraps(cli.COMMANDS[name])
        def instead(**values: Any) -> None:
            called.update(values)
            raise MnadError("called")

        with monkeypatch.context() as patch:
            patch.setitem(cli.COMMANDS, name, instead)
            assert main(words) == 1
        return called

    return of


FILE = "model: m\nsources: [a.mp4]\nout: o\nthreshold: 0.3\n"


@pytest.mark.parametrize(
    "words",
    [
        ["--config", "f.yaml", "n", "b", "--threshold", "0.9"],
        ["n", "b", "--threshold", "0.9", "--config", "f.yaml"],
        ["n", "--config=f.yaml", "b", "--threshold", "0.9"],
        ["--threshold", "0.9", "--config", "f.yaml", "--", "n", "b"],
    ],
)
def test_the_command_line_overrides_the_file_wherever_it_stands(
    words: list[str], given: Given
) -> None:
    Path("f.yaml").write_text(FILE)
    called = given("detect", *words)
    assert (called["model"], called["sources"]) == ("n", ["b"])
    assert (called["threshold"], called["out"]) == (0.9, Path("o"))


def test_of_two_files_the_later_counts(given: Given) -> None:
    Path("f.yaml").write_text(FILE)
    Path("g.yaml").write_text("threshold: 0.5\n")
    assert given("detect", "--config", "f.yaml", "--config", "g.yaml")["threshold"] == 0.5
    assert given("detect", "--config", "g.yaml", "--config", "f.yaml")["threshold"] == 0.3


@pytest.mark.parametrize("content", ["", "# threshold: 0.5\n", "\ufeff# of an editor\n"])
def test_a_file_in_which_all_is_commented_out_changes_nothing(content: str, given: Given) -> None:
    Path("f.yaml").write_text(content, encoding="utf-8")
    assert given("info", "m", "--config", "f.yaml") == {"model": "m"}


def test_text_that_looks_like_a_number_stays_text(given: Given) -> None:
    Path("f.yaml").write_text("source: 1e3\nout: 0x10\nlearn: 015\nthreshold: 1e-1\n")
    called = given("watch", "--config", "f.yaml")
    assert (called["source"], called["out"], called["learn"]) == ("1e3", Path("0x10"), "015")
    assert called["threshold"] == 0.1


def test_home_is_known_where_no_shell_reads_it(
    given: Given, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A folder that is called ~ is not only lost there, but dangerous to remove."""
    monkeypatch.setenv("HOME", str(tmp_path))
    Path("f.yaml").write_text("model: ~/m\nsources: [~/a, b~/c]\nout: ~/o\n")
    called = given("detect", "--config=~/f.yaml")
    assert called["sources"] == [f"{tmp_path}/a", "b~/c"]
    assert (called["model"], called["out"]) == (f"{tmp_path}/m", tmp_path / "o")
    assert given("train", "~d", "--out=~/o")["out"] == tmp_path / "o"


def test_a_file_may_be_a_pipe(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a store of secrets: it can be read but once."""
    real = Path.read_text
    left = [io.StringIO("model: m\n")]
    monkeypatch.setattr(
        Path,
        "read_text",
        lambda path, **how: left.pop().read() if path.name == "63" else real(path, **how),
    )
    assert given("info", "--config", "/dev/fd/63") == {"model": "m"}


def test_a_file_of_a_group_of_options_is_read_as_strictly(
    given: Given, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("e.yaml").write_text("min_seconds: 2\n")
    assert given("detect", "m", "s", "--out", "o", "--events", "e.yaml")["events"].min_seconds == 2
    Path("e.yaml").write_text("min_seconds: 2\nmin_seconds: 3\n")
    assert main(["detect", "m", "s", "--out", "o", "--events", "e.yaml"]) == 2
    assert "min_seconds stands on line 1 and again on line 2" in capsys.readouterr().err


def test_what_is_printed_as_a_file_is_read_as_the_same_options(
    given: Given, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("detect", "01", "a b.mp4", "--out", "o: p", "--no_clips", "--events.min_seconds", "3")
    with pytest.raises(SystemExit, match="0"):
        main([*words, "--print_config"])
    Path("f.yaml").write_text(capsys.readouterr().out)
    assert given("detect", "--config", "f.yaml") == given(*words)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("- out\n", "f.yaml holds no options: write each as NAME: VALUE on a line of its own."),
        ("out\n", "f.yaml holds no options: write each as NAME: VALUE on a line of its own."),
        (
            "a: b\nc: d: e\n",
            "f.yaml, line 2, is no YAML: mapping values are not allowed here; "
            "text with signs such as : # @ may need quotes.",
        ),
        ("out: a\nout: b\n", "f.yaml: out stands on line 1 and again on line 2: give it once."),
        (
            "no_overlay: true\n",
            "f.yaml: no_overlay is for the command line; here write overlay: false.",
        ),
        (
            "--no_clips: true\n",
            "f.yaml: --no_clips is for the command line; here write clips: false.",
        ),
        ("--out: a\n", "f.yaml: --out is for the command line; here write out."),
        ("overlay: 0\n", "f.yaml: overlay is '0'; it must be true or false."),
        ("model: [m]\n", "f.yaml: model has a list; it must be text."),
        (
            "sources: {a: b}\n",
            "f.yaml: sources has a mapping; it must be text, or a list of texts.",
        ),
        ("sources: [[a]]\n", "f.yaml: sources has a list; it must be text, or a list of texts."),
        ("sources: []\n", "f.yaml: sources is empty; it must be text, or a list of texts."),
        ("model: ''\n", "f.yaml: model is empty; it must be text."),
        ("config: f.yaml\n", "f.yaml: config is no option that a file may hold; leave it out."),
        ("5: a\n", "f.yaml: 5 is no option that a file may hold; leave it out."),
        (b"out: caf\xe9\n", "--config f.yaml is no text in UTF-8: give a YAML file."),
        (None, "--config f.yaml cannot be read (no such file or directory): give a YAML file."),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_sentence(
    content: str | bytes | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("f.yaml").write_bytes(content.encode() if isinstance(content, str) else content)
    assert main(["detect", "m", "s", "--out", "o", "--config", "f.yaml"]) == 2
    assert capsys.readouterr().err == f"mnad: {said}\n"


@pytest.mark.parametrize(
    "content",
    [
        "source: rtsp: //admin:Sesame7@10.0.0.7/cam\n",
        "source:\n  rtsp: //admin:Sesame7@10.0.0.7/cam\n",
        "regions:\n  rtsp: //admin:Sesame7@10.0.0.7/cam\n",
        "threshold:\n  rtsp: //admin:Sesame7@10.0.0.7/cam\n",
        "clips:\n  rtsp: //admin:Sesame7@10.0.0.7/cam\n",
        "events: [{rtsp: //admin:Sesame7@10.0.0.7/cam}]\n",
        # The end of a long line, as yaml shows it, has no scheme any more.
        f"source: rtsp://admin:Sesame7@10.0.0.7/{'cam/' * 8}: x\n",
        "- source: //admin:Sesame7@10.0.0.7/cam\n",
    ],
)
def test_a_password_in_a_wrong_file_is_not_repeated(
    content: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.yaml").write_text(content)
    try:
        code = main(["watch", "--out", "o", "--config", "f.yaml"])
    except SystemExit as ended:
        code = int(str(ended.code))
    said = capsys.readouterr()
    assert code == 2 and said.err.count("\n") == 1
    assert "Sesame7" not in said.err + said.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], None),
        (["--by_place"], True),
        (["--no_by_place"], False),
        (["--config", "null.yaml"], None),
        (["--config", "true.yaml"], True),
        (["--config", "true.yaml", "--no_by_place"], False),
    ],
)
@pytest.mark.parametrize("command", [["train", "a", "--out", "o"], ["calibrate", "m", "a"]])
def test_what_is_on_off_or_left_open_is_a_switch(
    given: Given, command: list[str], words: list[str], expected: bool | None
) -> None:
    for value in ("null", "true"):
        Path(f"{value}.yaml").write_text(f"by_place: {value}\n")
    assert given(*command, *words)["by_place"] is expected
