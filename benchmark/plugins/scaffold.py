"""`new-model`: a plugin package to start from, written into a new folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.plugins.load import CARD_NAME
from tvseg_bench.benchmark.registry import models

_MAX_NAME = 80

FILES = {
    "pyproject.toml": "pyproject.toml.tmpl",
    "README.md": "README.md.tmpl",
    "LICENCE.md": "LICENCE.md.tmpl",
    "src/$module/__init__.py": "init.py.tmpl",
    "src/$module/network.py": "network.py.tmpl",
    "tests/test_contract.py": "test_contract.py.tmpl",
}
"""What is written, and from which template."""


@dataclass(frozen=True)
class Scaffold:
    """What `new_model` wrote."""

    name: str
    folder: Path
    files: tuple[Path, ...]
    to_fill_in: tuple[Path, Path]
    """The card and the network, in this order."""


def new_model(name: str, directory: Path, template: Path) -> Scaffold:
    """Write a plugin package for a model into a new folder below `directory`.

    Args:
        name: `family/arch` in lower case, as it will be typed after `--model`.
        template: the folder of the templates, `tvseg_bench.models.template.TEMPLATE`.

    Raises:
        UsageError: the name does not fit or is taken, or the folder is there already; nothing
            was written.
    """
    words = words_of(name)
    if name in models:
        raise UsageError(
            f"the model {name!r} is there already, from {models.origin(name)}; choose another name"
        )
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a folder; make it, or leave --dir out")
    folder = directory / words["folder"]
    texts = {
        Template(path).substitute(words): Template(
            (template / source).read_text(encoding="utf-8")
        ).substitute(words)
        for path, source in FILES.items()
    }
    try:
        folder.mkdir()
    except FileExistsError:
        raise UsageError(
            f"{folder} is there already and is left as it is; choose another name or --dir"
        ) from None
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}") from None
    for path, text in texts.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    source = folder / "src" / words["module"]
    return Scaffold(
        name=name,
        folder=folder,
        files=tuple(folder / path for path in texts),
        to_fill_in=(source / "__init__.py", source / "network.py"),
    )


def words_of(name: str) -> dict[str, str]:
    """Return what is put into the templates for a model's name.

    Raises:
        UsageError: the name does not fit.

    Example:
        >>> words_of("mine/vits16+reg") == {
        ...     "name": "mine/vits16+reg",
        ...     "stem": "mine-vits16+reg",
        ...     "folder": "mine-vits16-reg",
        ...     "package": "tvseg-bench-mine-vits16-reg",
        ...     "module": "tvseg_mine_vits16_reg",
        ... }
        True
    """
    if not CARD_NAME.fullmatch(name) or len(name) > _MAX_NAME:
        raise UsageError(
            f"{name!r} is not a name for a model; expected family/arch of lower case letters, "
            f"digits and . _ + -, {_MAX_NAME} characters at most, such as mine/vits16"
        )
    parts = re.split(r"[^a-z0-9]+", name.strip("._+-"))
    return {
        "name": name,
        "stem": name.replace("/", "-"),
        "folder": "-".join(parts),
        "package": "-".join(["tvseg-bench", *parts]),
        "module": "_".join(["tvseg", *parts]),
    }
