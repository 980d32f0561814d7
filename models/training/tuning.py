"""Which part of a backbone is tuned: `last:2`, `all`, names of parameters, or adapters.

A name matches where its dotted parts stand in a row in a parameter's name: `blocks.1` is block 1
and not block 11, as the substrings of the published code would have it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.models.training.lora import add_adapters

_GRAMMAR = "expected 'all', 'last:N', 'lora:RANK', 'lora:RANK,last:N', or names such as blocks.11"


@dataclass(frozen=True, kw_only=True)
class TuningChoice:
    """Which part of a backbone is tuned."""

    text: str
    last: int | None = None
    """The last blocks; None = not chosen by their place."""
    names: tuple[str, ...] = ()
    rank: int | None = None
    """Of low-rank adapters in place of the weights themselves."""

    @property
    def everything(self) -> bool:
        """Whether all of the backbone is tuned."""
        return self.last is None and not self.names


def parse_tune(text: str) -> TuningChoice:
    """Parse what is tuned.

    Raises:
        UsageError: what does not fit the grammar.

    Example:
        >>> parse_tune("last:2").last
        2
        >>> parse_tune("lora:8,last:4").rank
        8
        >>> parse_tune("blocks.10,blocks.11").names
        ('blocks.10', 'blocks.11')
        >>> parse_tune("all").everything
        True
    """
    last, rank, names, full = None, None, [], False
    for part in filter(None, (part.strip() for part in text.split(","))):
        number = re.fullmatch(r"(last|lora):(\d+)", part)
        if part == "all":
            full = True
        elif number and int(number[2]) > 0:
            if number[1] == "last":
                last = int(number[2])
            else:
                rank = int(number[2])
        elif re.fullmatch(r"\w+(\.\w+)*", part):
            names.append(part)
        else:
            raise UsageError(f"tune={text!r} cannot be read at {part!r}; {_GRAMMAR}")
    if (full + (last is not None) + bool(names)) > 1 or not (full or last or names or rank):
        raise UsageError(f"tune={text!r} names several choices or none; {_GRAMMAR}")
    return TuningChoice(text=text, last=last, names=tuple(names), rank=rank)


def stages(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the blocks of a network in their order: `blocks` of a ViT, else the children.

    A wrapper with a single child that holds parameters is looked through.

    Example:
        >>> net = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)))
        >>> [name for name, _ in stages(net)]
        ['0.0', '0.2']
    """
    prefix = ""
    while True:
        blocks = dict(module.named_children()).get("blocks")
        if isinstance(blocks, nn.Sequential | nn.ModuleList):
            return [(f"{prefix}blocks.{i}", block) for i, block in enumerate(blocks)]
        inner = [(n, m) for n, m in module.named_children() if any(True for _ in m.parameters())]
        if len(inner) != 1 or not any(True for _ in inner[0][1].children()):
            return [(prefix + name, child) for name, child in inner]
        name, module = inner[0]
        prefix += f"{name}."


def choose(module: nn.Module, tune: TuningChoice) -> list[str]:
    """Let gradients flow to what is tuned, and to nothing else; return its names.

    Raises:
        UsageError: nothing has these names, with the names that there are.
    """
    module.requires_grad_(False)
    wanted = tune.names
    if tune.last is not None:
        blocks = stages(module)
        if tune.last > len(blocks):
            raise UsageError(f"tune={tune.text!r}: the backbone has {len(blocks)} blocks only")
        wanted = tuple(name for name, _ in blocks[-tune.last :])
    if tune.rank is not None:
        _adapt(module, tune, wanted)
    else:
        for name, parameter in module.named_parameters():
            is_meant = tune.everything or any(_within(name, part) for part in wanted)
            parameter.requires_grad_(is_meant and parameter.is_floating_point())
    chosen = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    if not chosen:
        known = [name for name, _ in stages(module)]
        raise UsageError(
            f"tune={tune.text!r} matches no parameter of the backbone; its blocks are "
            f"{_some(known)}"
        )
    return chosen


def _adapt(module: nn.Module, tune: TuningChoice, wanted: Sequence[str]) -> None:
    """Put adapters into the chosen blocks, or into all."""
    rank = tune.rank or 1
    count = 0
    for name, block in stages(module):
        if not wanted or any(_within(f"{name}.", part) for part in wanted):
            count += add_adapters(block, rank)
    if not count:
        raise UsageError(
            f"tune={tune.text!r}: there is no linear layer there to put an adapter on; "
            f"blocks of this backbone are {_some([name for name, _ in stages(module)])}"
        )


def _within(name: str, part: str) -> bool:
    return f".{part}." in f".{name}."


def _some(names: Sequence[str]) -> str:
    shown = names if len(names) <= 6 else [*names[:2], "…", *names[-2:]]
    return ", ".join(shown) or "none"
