"""The card of the built-in model says what was measured of the weights that ship."""

from __future__ import annotations

import sys

import model_card
import pytest
from model_card import BEGIN, END, NAME, PAGE, line, others, part, read, spread, with_part

from mnad.models.builtin import built_in


def test_the_page_and_the_list_are_those_of_the_results() -> None:
    score, robust = read("ped2-compact"), read("ped2-compact-robustness")
    seeds = [score, *others()]
    page = PAGE.read_text()
    assert page == with_part(page, part(score, robust, seeds))
    shown = {one.name: one for one in built_in()}[NAME]
    assert shown.result == line(score, seeds)
    assert "research and evaluation" in shown.terms.read_text()


def test_the_spread_by_hand() -> None:
    seeds = [{"auc": {"causal": value}} for value in (0.97, 0.98, 0.99)]
    assert spread(seeds, "causal") == "0.980 ± 0.010 (0.970, 0.980, 0.990)"


def test_only_what_lies_between_the_marks_is_written_anew() -> None:
    page = f"# A\n\nbefore\n\n{BEGIN}\nold\n{END}\nafter\n"
    once = with_part(page, "new")
    assert once == page.replace("old", "\nnew\n")
    assert with_part(once, "new") == once


@pytest.mark.parametrize(("word", "code"), [("--help", 0), ("page.md", 2)])
def test_who_asks_for_help_or_gives_a_word_has_nothing_written(
    word: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[object] = []
    monkeypatch.setattr(model_card, "write", lambda path, _: written.append(path))
    monkeypatch.setattr(sys, "argv", ["model_card.py", word])
    with pytest.raises(SystemExit) as ended:
        model_card.main()
    assert (ended.value.code, written) == (code, [])
