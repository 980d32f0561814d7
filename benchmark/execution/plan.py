"""The plan: from a selection to cells with their identities, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tvseg_bench.benchmark.errors import (
    MissingWeightsError,
    NotApplicableError,
    TvsegError,
    UsageError,
)
from tvseg_bench.benchmark.evaluation import Needs
from tvseg_bench.benchmark.execution.selection import (
    ProtocolChoice,
    Selection,
    choose_protocols,
    expand,
    split_reference,
)
from tvseg_bench.benchmark.features.abilities import check_abilities
from tvseg_bench.benchmark.plugins.load import LoadedModel, load_model
from tvseg_bench.benchmark.plugins.resolve import find_model, import_file
from tvseg_bench.benchmark.registry import datasets, models
from tvseg_bench.benchmark.results.key import CellKey
from tvseg_bench.benchmark.types import Dataset, ModelCard, View


@dataclass(frozen=True)
class Cell:
    """One model, one protocol, one data set, one seed."""

    model: str
    """The reference as typed."""
    card: ModelCard
    protocol: ProtocolChoice
    source: str
    """The data set's reference as typed."""
    dataset: Dataset
    view: View
    seed: int
    key: CellKey
    training: Dataset | None = None
    """The clips that the protocol learns from, where it needs some and there is a split."""
    inapplicable: str = ""
    """Why there will be no score, known before anything is computed; empty where there will."""
    origin: Mapping[str, str | None] = field(default_factory=dict)
    """`package`, `version` and `file_sha256` of the model's code."""

    @property
    def needs(self) -> Needs:
        """What the protocol needs of a run."""
        return self.protocol.evaluation.needs

    @property
    def label(self) -> str:
        """Return the cell in a few words."""
        where = f"{self.dataset.card.name}:{self.dataset.split}"
        seed = f" seed {self.seed}" if self.seed else ""
        return f"{self.card.name} × {self.protocol.label} × {where}{seed}"


@dataclass(frozen=True)
class UnavailableCell:
    """A part of the grid that cannot run, with the reason; the rest goes on."""

    model: str
    protocol: str
    dataset: str
    seed: int
    reason: str
    elsewhere: bool = False
    """Whether a machine that holds the weights could run it."""


@dataclass(frozen=True)
class Plan:
    """All cells of a selection, those that share a forward pass side by side."""

    selection: Selection
    cells: tuple[Cell, ...]
    unavailable: tuple[UnavailableCell, ...] = ()
    elsewhere: tuple[Cell, ...] = ()
    """Cells of models whose weights are not on this machine: their revisions, and so the ids of
    their cells, are known only where the weights are."""

    def groups(self) -> Iterator[tuple[Cell, ...]]:
        """Yield the cells that share model, data set and view; see `grouped`."""
        yield from grouped(self.cells)


def grouped(cells: Iterable[Cell]) -> Iterator[tuple[Cell, ...]]:
    """Yield the cells that share model, data set and view, in the order of their first ones.

    A pass that keeps attention where there is any also serves the views without it.
    """
    groups: dict[Any, list[Cell]] = {}
    for cell in cells:
        optional = cell.view.attention in (False, "if-any")
        tokens = replace(cell.view, attention=False) if optional else cell.view
        shared = (cell.model, cell.key.dataset, cell.key.split, tokens)
        groups.setdefault(shared, []).append(cell)
    yield from map(tuple, groups.values())


def shared_view(cells: Sequence[Cell]) -> View:
    """Return the view of a group that serves all its cells: the tokens are the same."""
    return next((cell.view for cell in cells if cell.view.attention), cells[0].view)


def make_plan(selection: Selection) -> Plan:
    """Open the data sets, read the models' cards, and lay out every cell.

    Raises:
        UsageError: a name, preset or parameter that does not exist.
    """
    protocols = check_names(selection)
    wanted = expand(selection.dataset, datasets)
    opened = {name: _open(name, selection) for name in wanted}
    setups = {
        (name, i): _Setup.of(protocol, name, dataset, selection)
        for name, dataset in opened.items()
        for i, protocol in enumerate(protocols)
        if not isinstance(dataset, str)
    }
    cells: list[Cell] = []
    elsewhere: list[Cell] = []
    unavailable: list[UnavailableCell] = []
    for reference in expand(selection.model, models):
        backbone = _Backbone.of(reference, selection)
        for name, dataset in opened.items():
            for i, protocol in enumerate(protocols):
                for seed in selection.seeds:
                    trouble = backbone.trouble or (dataset if isinstance(dataset, str) else "")
                    away = False
                    if (name, i) in setups and backbone.card is not None:
                        cell = setups[name, i].cell(backbone, backbone.card, seed)
                        (elsewhere if trouble else cells).append(cell)
                        away = bool(trouble)
                    if trouble:
                        unavailable.append(
                            UnavailableCell(reference, protocol.label, name, seed, trouble, away)
                        )
    return Plan(selection, tuple(cells), tuple(unavailable), tuple(elsewhere))


def check_names(selection: Selection) -> tuple[ProtocolChoice, ...]:
    """Return the protocols, after having looked up whatever a selection names; loads no model.

    Raises:
        UsageError: a name, preset or parameter that does not exist.
    """
    for file in selection.plugin:
        import_file(Path(file))
    protocols = choose_protocols(selection.protocol, selection.overrides)
    for name in expand(selection.dataset, datasets):
        _ = datasets[split_reference(name)[0]]
    check_weights(selection)
    return protocols


@dataclass(frozen=True)
class _Backbone:
    """What a plan knows of a model after having built it once."""

    reference: str
    card: ModelCard | None
    """None where it cannot be used here nor, as far as one can tell, anywhere."""
    trouble: str = ""
    """Why it cannot be used here."""
    origin: Mapping[str, str | None] = field(default_factory=dict)
    inapplicable: Mapping[str, str] = field(default_factory=dict)
    """Output of a view -> why the model does not give it."""

    @classmethod
    def of(cls, reference: str, selection: Selection) -> _Backbone:
        try:
            loaded = load(reference, selection)
        except UsageError:
            raise
        except MissingWeightsError as error:
            return cls(reference, find_model(reference).entry.card, str(error))
        except TvsegError as error:
            return cls(reference, None, str(error))
        refused: dict[str, str] = {}
        outputs: tuple[Literal["features", "segments"], ...] = ("features", "segments")
        for output in outputs:
            try:
                check_abilities(loaded.model, View(output=output))
            except NotApplicableError as reason:
                refused[output] = str(reason)
        return cls(reference, loaded.card, "", loaded.origin, refused)


@dataclass(frozen=True)
class _Setup:
    """What the cells of one protocol on one data set have in common."""

    protocol: ProtocolChoice
    source: str
    dataset: Dataset
    view: View
    training: Dataset | None
    inapplicable: str
    params: Mapping[str, Any]
    resolution: Mapping[str, Any]
    selection: Selection

    @classmethod
    def of(
        cls, protocol: ProtocolChoice, name: str, dataset: Dataset, selection: Selection
    ) -> _Setup:
        evaluation = protocol.evaluation
        view = evaluation.view(dataset)
        resolution = described(view)
        training = None
        if evaluation.needs.training:
            training = _training(name, dataset, selection)
            resolution["training"] = (
                "halves"
                if training is None
                else {"split": training.split, "manifest_sha256": training.manifest_sha256}
            )
        reason = ""
        try:
            evaluation.check_dataset(dataset)
        except NotApplicableError as error:
            reason = str(error)
        except TvsegError:  # raised again by the evaluation, as the reason of a failed cell
            pass
        params = protocol.config.model_dump()
        return cls(protocol, name, dataset, view, training, reason, params, resolution, selection)

    def cell(self, backbone: _Backbone, card: ModelCard, seed: int) -> Cell:
        """Return the cell of one model and one seed."""
        dataset, protocol = self.dataset, self.protocol
        key = CellKey(
            model=card.name,
            revision=card.revision,
            protocol=protocol.name,
            preset=protocol.preset,
            protocol_version=protocol.entry.version,
            params=self.params,
            dataset=dataset.card.name,
            split=dataset.split,
            dataset_version=dataset.card.version,
            manifest_sha256=dataset.manifest_sha256,
            resolution=self.resolution,
            dtype=self.selection.dtype,
            seed=seed,
            limit=self.selection.limit,
        )
        return Cell(
            model=backbone.reference,
            card=card,
            protocol=protocol,
            source=self.source,
            dataset=dataset,
            view=self.view,
            seed=seed,
            key=key,
            training=self.training,
            inapplicable=self.inapplicable or backbone.inapplicable.get(self.view.output, ""),
            origin=backbone.origin,
        )


def load(reference: str, selection: Selection) -> LoadedModel:
    """Load the model with the weights that the selection names for it."""
    return load_model(reference, weights=weights_for(reference, selection))


def check_weights(selection: Selection) -> None:
    """Refuse weights that are meant for no selected model or for several.

    Raises:
        UsageError: the same, or a model that does not exist.
    """
    chosen = expand(selection.model, models)
    takers = [m for m in chosen if _takes_weights(m) and m not in selection.weights]
    for name in selection.weights:
        if name and name not in chosen:
            raise UsageError(
                f"--weights {name}=… names a model that is not selected; selected: "
                + ", ".join(chosen)
            )
    if "" in selection.weights and len(takers) != 1:
        file = selection.weights[""]
        meant = f"could be meant for {' or '.join(takers)}" if takers else "fits no selected model"
        hint = f"type: --weights {takers[0]}={file}" if takers else "leave it out"
        raise UsageError(f"--weights {file} {meant}; {hint}")


def weights_for(reference: str, selection: Selection) -> Path | None:
    """Return the file given for this model; one without a name is for the one that takes it."""
    unnamed = selection.weights.get("") if _takes_weights(reference) else None
    return selection.weights.get(reference, unnamed)


def _takes_weights(reference: str) -> bool:
    try:
        return find_model(reference).entry.takes_weights
    except UsageError:
        raise
    except TvsegError:  # raised again where the model is loaded, as the reason of its cells
        return False


def _open(reference: str, selection: Selection) -> Dataset | str:
    """Return the data set, cut to the limit, or why it cannot be opened."""
    name, split = split_reference(reference)
    try:
        dataset = datasets[name].open(selection.data_root, split)
    except UsageError:
        raise
    except TvsegError as error:
        return str(error)
    if selection.limit is not None and selection.limit < len(dataset.clips):
        dataset = replace(dataset, clips=dataset.clips[: selection.limit])
    return dataset


def described(view: View) -> dict[str, Any]:
    """Return a view as it stands in results; what came later is named only where it is used."""
    fields = asdict(view)
    if view.output == "features":
        del fields["output"]
    return fields


def _training(reference: str, dataset: Dataset, selection: Selection) -> Dataset | None:
    """Return the first training split that is there, without the clips that are scored."""
    name, _ = split_reference(reference)
    scored = {clip.name for clip in dataset.clips}
    for split in dataset.card.training:
        try:
            found = datasets[name].open(selection.data_root, split)
        except TvsegError:
            continue
        clips = [clip for clip in found.clips if clip.name not in scored]
        if clips:
            return replace(found, clips=clips)
    return None
