"""Pages as one HTML file each: the look that they share, and a file that is whole or absent."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnad.errors import MnadError
from mnad.reports.overlay import ALARM, BACKGROUND, NORMAL
from mnad.writing import discard, unwritable

if TYPE_CHECKING:
    from jinja2 import Template

PALETTE = {
    "normal": "rgb({} {} {})".format(*NORMAL),
    "alarm": "rgb({} {} {})".format(*ALARM),
    "paper": "rgb({} {} {})".format(*BACKGROUND),
}
"""Colours of the dark look, which are those of the overlay video."""


def write_html(path: Path, template: str, content: dict[str, Any]) -> None:
    """Fill in a template of this folder; the file is written beside and renamed.

    Args:
        path: the file.
        template: its name.
        content: its variables; `palette` comes of itself.

    Raises:
        MnadError: the file cannot be written.
    """
    html = _template(template).render(palette=PALETTE, **content)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        # A file name that is not UTF-8 reaches us with surrogates, which no page may hold.
        part.write_text(html, encoding="utf-8", errors="replace")
        os.replace(part, path)
    except OSError as error:
        discard(part)
        raise MnadError(unwritable(path, error.strerror)) from error


@cache
def _template(name: str) -> Template:
    """Compiled once: a live run writes its page every minute."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
