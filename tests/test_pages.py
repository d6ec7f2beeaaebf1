"""The pages lead where they say: links to files of the project, and to headings in its pages."""

import re
import shlex
from fnmatch import filter as filter_names
from fnmatch import fnmatch
from pathlib import Path

import pytest

from mnad import cli

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]
SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))


def headings(page: Path) -> set[str]:
    """The anchors that a page's headings get: small letters, hyphens for spaces, no marks."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in found}


def dead_links(page: Path) -> list[str]:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if path.startswith(("http:", "https:")):
            continue
        if not target.exists() or (anchor and anchor not in headings(target)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert dead_links(page) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One, two\n[a](#one-two) [b](#three) [c](none.md) [d](https://x.y/#z)\n")
    assert dead_links(page) == ["#three", "none.md"]


def commands(page: Path) -> list[str]:
    """The command lines in the blocks of a page, each with what may be left out of it."""
    blocks = "".join(re.findall(r"^```\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL))
    lines = re.findall(r"^mnad .*$", blocks.replace(" && ", "\n"), re.MULTILINE)
    return [re.sub(r"[\[\]]", "", line) for line in lines if "…" not in line]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_is_understood(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # where the recipes lie
    for line in commands(page):
        command, _ = cli._understood(shlex.split(line, comments=True)[1:])
        assert line.startswith(f"mnad {command}")


def test_every_option_that_a_page_names_exists() -> None:
    known = set()
    for name in cli.COMMANDS:
        for action in cli._command_parser(cli.COMMANDS[name])._actions:
            known |= set(action.option_strings)
    others = {"--index-url", "--now", "--lr", "--version"}  # of pip, systemctl, the public code
    own = {option for file in SCRIPTS for option in re.findall(r"--[a-z_]+", file.read_text())}
    for page in PAGES:
        named = set(re.findall(r"(?<![\w-])--[a-z_0-9.-]*[a-z0-9]", page.read_text()))
        assert named <= known | others | (own if page.parent.name == "benchmarks" else set()), page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_script_that_a_page_names_exists_with_its_options(page: Path) -> None:
    text = re.sub(r"\s+", " ", page.read_text())
    for name, given in re.findall(
        r"python (benchmarks/\w+\.py)([^`#]*?)(?=`|#|python |mnad )", text
    ):
        source = (ROOT / name).read_text()
        for option in re.findall(r"--([a-z_]+)", given):
            assert option in source, (name, option)


def test_every_result_is_listed_and_every_name_in_the_list_is_a_result() -> None:
    listed = re.findall(
        r"`(?:results/)?([\w.…-]+\.json)`", (ROOT / "benchmarks/README.md").read_text()
    )
    # "-seed2.json" and "…-seed2.json" are the end of a name.
    patterns = [("*" * name.startswith("-") + name).replace("…", "*") for name in listed]
    results = [file.name for file in (ROOT / "benchmarks" / "results").iterdir()]
    assert not [name for name in results if not any(fnmatch(name, one) for one in patterns)]
    assert not [one for one in patterns if not filter_names(results, one)]
