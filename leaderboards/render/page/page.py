"""One self-contained HTML page from a template: styles, scripts and data inside, nothing fetched.

What others wrote (a model's name, a card, a note) is escaped twice over: autoescape makes it
text, and the page's own Content-Security-Policy lets no script run but ours, each named by its
hash, and nothing be fetched from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup

HERE = Path(__file__).parent
STYLE = HERE / "page.css"
THEME = HERE / "theme.js"
"""Runs in the head, so that no page flashes in the other theme first."""


def render_page(
    template: str,
    *,
    folders: Sequence[Path] = (),
    styles: Sequence[Path] = (),
    scripts: Sequence[Path] = (),
    data: Mapping[str, Any] | None = None,
    **values: Any,
) -> str:
    """Return the text of a page.

    Args:
        template: name of a template that extends `base.html.jinja`.
        folders: where it lies; the shared templates are always found.
        styles: style sheets after the shared one.
        scripts: scripts at the end of the body, after the shared one.
        data: JSON values by id; each becomes `<script type="application/json" id=ID>`.
        values: what the template names; all text is escaped.

    Example:
        >>> "<b>" in render_page("base.html.jinja", title="<b>")
        False
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader([HERE, *folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    own = [_text(path) for path in (THEME, *scripts)]
    return environment.get_template(template).render(
        policy=_policy(own),
        style=Markup("\n".join(_text(path) for path in (STYLE, *styles))),
        head_script=Markup(own[0]),
        scripts=[Markup(text) for text in own[1:]],
        data={name: script_json(value) for name, value in (data or {}).items()},
        **values,
    )


def page_start(mark: str) -> str:
    """Return how a page begins whose block `mark` holds this comment."""
    return f"<!doctype html>\n{mark}"


def script_json(value: Any) -> Markup:
    r"""Return JSON that may stand inside a script element: nothing in it can end the element.

    Example:
        >>> print(script_json({"name": "</script><!--"}))
        {"name":"\u003c/script\u003e\u003c!--"}
    """
    from markupsafe import Markup

    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _policy(scripts: Sequence[str]) -> str:
    """Return a policy under which these scripts run and no other, and nothing is fetched.

    Inline styles stay allowed (bars are drawn by them); pictures and videos may be `data:`, or
    files beside the page.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: 'self'; media-src data: 'self'; base-uri 'none'; form-action 'none'"
    )
