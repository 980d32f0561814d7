"""Categories of instances: what each clip's own ids mean across clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tvseg_bench.benchmark.data.files.clip_frames import ClipFiles
from tvseg_bench.benchmark.data.files.inventory import Labelling
from tvseg_bench.benchmark.data.files.masks import AsStored, LabelMap
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.types import VOID


@dataclass(frozen=True)
class Categories:
    """The categories that a label file gives to the instances of each clip."""

    names: Mapping[str, Mapping[int, str]]
    """Clip -> instance id -> category."""
    ids: Mapping[str, int]
    """Category -> semantic id, from 1 in alphabetical order."""

    @classmethod
    def of(cls, names: Mapping[str, Mapping[int, str]], where: str) -> Categories:
        """Number the categories of all clips.

        Raises:
            DataError: there are more than ids; names the file `where`.

        Example:
            >>> Categories.of({"a": {1: "zebra"}, "b": {1: "ape"}}, "meta.json").classes
            ('background', 'ape', 'zebra')
        """
        every = sorted({name for objects in names.values() for name in objects.values()})
        if len(every) >= VOID:
            raise DataError(f"{where} names {len(every)} categories; there are ids for {VOID - 1}")
        return cls(names, {name: i for i, name in enumerate(every, start=1)})

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the semantic ids 0.."""
        return ("background", *self.ids)

    def labelling(self, files: ClipFiles) -> Labelling:
        """Return what the values of one clip's masks mean; an instance without name means none."""
        named = self.names.get(files.name, {})
        categories = {instance: self.ids[name] for instance, name in named.items()}
        return Labelling(
            semantic=LabelMap({0: 0, VOID: VOID, **categories}),
            instance=AsStored(),
            categories=categories,
        )
