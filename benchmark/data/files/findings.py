"""What is wrong with the files of a data set, each thing one sentence; bounded in memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

FindingKind = Literal[
    "clip-missing",
    "clip-empty",
    "clip-twice",
    "frame-missing",
    "frame-twice",
    "frame-without-mask",
    "mask-without-frame",
    "mask-folder-empty",
    "size-mismatch",
    "mask-mode",
    "mask-unreadable",
    "image-unreadable",
    "unknown-id",
    "label-file",
    "file-unreadable",
]

BLOCKING: frozenset[FindingKind] = frozenset(
    {"clip-missing", "clip-empty", "frame-missing", "frame-twice"}
)
"""Numbers measured without these files would be numbers of another data set."""

NOTES: frozenset[FindingKind] = frozenset({"mask-mode", "mask-without-frame", "clip-twice"})
"""Worth knowing, but every frame that is asked for can be read."""

LISTED_PER_KIND = 100


@dataclass(frozen=True)
class Finding:
    """One thing that is not as the layout promises."""

    kind: FindingKind
    file: str
    """Relative to the data set's folder."""
    text: str
    """One sentence that names the file."""

    @property
    def is_note(self) -> bool:
        """Whether the data can be used as they are."""
        return self.kind in NOTES


class Findings:
    """Collects findings: all are counted, the first hundred of a kind are listed.

    Example:
        >>> found = Findings()
        >>> found.add("mask-mode", "a.png", "a.png is stored in mode LA")
        >>> found.counts, found.blocking()
        ({'mask-mode': 1}, None)
    """

    def __init__(self) -> None:
        self._listed: list[Finding] = []
        self._counts: Counter[FindingKind] = Counter()

    def add(self, kind: FindingKind, file: str, text: str) -> None:
        """Count a finding, and list it unless there are many of its kind."""
        self._counts[kind] += 1
        if self._counts[kind] <= LISTED_PER_KIND:
            self._listed.append(Finding(kind, file, text))

    @property
    def listed(self) -> tuple[Finding, ...]:
        """In the order in which they were found."""
        return tuple(self._listed)

    @property
    def counts(self) -> dict[FindingKind, int]:
        """How many of each kind there are, listed or not."""
        return dict(self._counts)

    def blocking(self) -> Finding | None:
        """Return the first finding with which a data set cannot be opened."""
        return next((found for found in self._listed if found.kind in BLOCKING), None)
