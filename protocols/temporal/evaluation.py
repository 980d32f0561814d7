"""`temporal`: do the clusters of a clip stay on their objects over time?

Each clip is clustered as `kmeans-clip` does, and the cluster maps are looked at over time. Some
measures need no names of the clusters (`vc*`, `flip_rate`, `persistence`, `dominant`,
`flow_consistency`, `seed_ari`), others match them to the truth once per clip.

Consistency alone is worth nothing: a map that is one cluster everywhere is perfectly stable, and
since most pixels that hold still are background, it also does well on VC-correct, the share of
them that is right throughout. The headline is therefore `vc8_iou`: the same pixels (those whose
true label stays for 8 frames), scored as IoU by label and averaged over the labels. What flickers
is a miss, what spreads over another label a false alarm, and a map of one cluster has IoU 0 for
every label but one, so it never reaches more than 1 / labels, at most 1/2. Beside every number
stand `miou`, the share of the largest cluster, and what the constant map and the patch-grid
oracle give (`constant/...`, `oracle/...`).

Windows are of frames that were looked at, in their order: `frames=` makes them coarser, and
where the truth is given for every fifth frame, a window of 8 spans 36.

Of the gaps between the scopes, `frame_gap` is that of the matching: the share of the mean IoU that
is lost because the clusters of a clip are named once and not again in every frame. Cluster ids of
different clips have nothing in common, so the data-set scope is what `kmeans-dataset` says.

Sources: Miao et al., VSPW, CVPR 2021 (VC); Weber et al., STEP, 2021 (AQ, STQ); Kim et al., Video
Panoptic Segmentation, 2020 (VPQ); Yang et al., Video Instance Segmentation, 2019 (tube IoU); Liu
et al., ETC, 2020 (consistency along flow); Perazzi et al., DAVIS, 2016 (drift: its decay).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tvseg_bench.benchmark.data.files.flow_files import FlowFolder
from tvseg_bench.benchmark.errors import DataError, NotApplicableError
from tvseg_bench.benchmark.evaluation import Needs, RunContext, SharedCache, UnitOutcome
from tvseg_bench.benchmark.metrics.references import constant_map, patch_grid_oracle
from tvseg_bench.benchmark.types import VOID, Score, UnitScore, View
from tvseg_bench.protocols.common.ground_truth import label_kind
from tvseg_bench.protocols.common.scoring import average, mean, score_unit
from tvseg_bench.protocols.kmeans.clusters import cluster_unit
from tvseg_bench.protocols.kmeans.evaluation import KMeansUnits
from tvseg_bench.protocols.kmeans.projection import projected
from tvseg_bench.protocols.temporal import LENGTHS, METRICS, decay, measures
from tvseg_bench.protocols.temporal.objects_over_time import ClipTruth, clip_truth, motion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tvseg_bench.benchmark.evaluation import Recorder
    from tvseg_bench.benchmark.metrics.matching import Match
    from tvseg_bench.benchmark.types import ClipFeatures, Dataset, FeatureSet, LabelKind
    from tvseg_bench.protocols.kmeans.projection import Tokens
    from tvseg_bench.protocols.temporal import TemporalConfig

    Map = NDArray[np.integer[Any]]

HEADLINE = next(iter(METRICS))
MODEL, CONSTANT, ORACLE = "", "constant/", "oracle/"


@dataclass(frozen=True)
class MeasuredClip:
    """What is kept of a clip: of the model's clusters, the constant map and the oracle, as plain
    values."""

    sample: UnitScore
    metrics: dict[str, dict[str, float | None]] = field(default_factory=dict)
    """By prefix of the metrics' names; empty where the clip has no score."""
    windows: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)
    """Likewise, the metrics that are pooled over windows, None where a window has no score;
    empty where clips weigh alike."""
    k: int = 0
    used: int = 0
    """Clusters that hold a pixel which is not void."""
    source: str = ""
    """What its objects are, see `ClipTruth.source`."""
    decay: dict[str, list[float | None]] = field(default_factory=dict)
    """Scores at each of `DISTANCES`, see `decay`; those of the oracle by its prefix."""


@dataclass(frozen=True)
class Temporal:
    """Every clip clustered on its own, its cluster maps measured over time."""

    config: TemporalConfig
    row_type = MeasuredClip

    @property
    def needs(self) -> Needs:
        """What `kmeans-clip` needs with the same clustering."""
        return KMeansUnits(self.config, "clip").needs

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown: that of `kmeans-clip`."""
        return self.config.view(dataset)

    def check_dataset(self, dataset: Dataset) -> None:
        """Refuse data of which nothing can be said over time.

        Raises:
            NotApplicableError: the labels are missing, nothing moves, or all clips are dropped.
            DataError: the folder of flow is another data set's.
        """
        KMeansUnits(self.config, "clip").check_dataset(dataset)
        if not any(clip.n_frames > 1 for clip in dataset.clips):
            raise NotApplicableError(
                f"{dataset.card.name}:{dataset.split} holds still images, in which nothing moves; "
                "choose a data set of videos"
            )
        self._check_flow(dataset)

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Measure every clip; average over the clips that have a score."""
        self.check_dataset(features.dataset)
        return self.combine(list(self.score_clips(features, run)), features.dataset)

    def score_clips(self, features: FeatureSet, run: RunContext) -> Iterator[MeasuredClip]:
        """Cluster and measure some clips in a row.

        With `last_batch=drop`, the clips of an incomplete last batch yield no row, as in
        `kmeans-clip`.
        """
        dataset = run.dataset(features)
        kind = label_kind(dataset, "clip", self.config.labels)
        run.recorder.on_begin("clip", kind, HEADLINE)
        shared = run.shared or SharedCache(limit=0)
        for clip, tokens in projected(features, self.config, "clip", shared):
            yield self._clip(clip, tokens, kind, dataset, run, shared)

    def combine(self, rows: Sequence[MeasuredClip], dataset: Dataset) -> Score:
        """Average over the clips that have a score, or over all their windows.

        Raises:
            NotApplicableError: no clip has a score.
        """
        if not any(row.metrics for row in rows):
            raise NotApplicableError(
                f"no clip of {dataset.card.name}:{dataset.split} holds two frames with two "
                "classes, so there is nothing to follow; choose another data set"
            )
        references = {
            prefix + metric: value
            for prefix in (CONSTANT, ORACLE)
            for metric, value in self._average(rows, prefix).items()
        }
        return Score(
            metrics=self._average(rows, MODEL),
            clips=[row.sample for row in rows],
            references=references,
            details=_details(rows, label_kind(dataset, "clip", self.config.labels)),
        )

    def _clip(
        self,
        clip: ClipFeatures,
        tokens: Tokens,
        kind: LabelKind,
        dataset: Dataset,
        run: RunContext,
        shared: SharedCache,
    ) -> MeasuredClip:
        """Cluster and measure one clip."""
        config = self.config
        truth = clip_truth(clip, kind, config, dataset.card.background, shared)
        scored = truth.present if config.void == "class" else truth.present - {VOID}
        if note := _why_unscored(clip, scored, config):
            return MeasuredClip(_sample(clip, dict.fromkeys(METRICS), note))
        counted = truth.present if config.k_labels == "all" else truth.present - {VOID}
        k = config.clusters(len(counted), "clip", dataset.card.name)

        def maps_of(seed: int) -> list[Map]:
            found = cluster_unit(tokens, k, seed, config, clip.clip.name, shared)
            return list(found.maps(tokens, [mask.shape for mask in truth.labels]))

        maps = maps_of(run.seed)
        grid = (tokens.shape[1], tokens.shape[2])
        candidates: dict[str, Sequence[Map]] = {
            MODEL: maps,
            CONSTANT: [constant_map(truth.labels[0])] * len(truth.labels),
            ORACLE: [patch_grid_oracle(true, grid) for true in truth.labels],
        }
        measured = {name: measures.measure(truth, ids, config) for name, ids in candidates.items()}
        _record(run.recorder, clip, tokens, truth, maps, measured[MODEL])
        measured[MODEL].metrics["seed_ari"] = mean(
            measures.agreement(truth, maps, maps_of(run.seed + again))
            for again in range(1, 1 + config.reseeds)
        )
        measured[CONSTANT].metrics["seed_ari"] = 1.0
        self._add_miou(measured, dataset.card.background)
        note = self._add_flow(measured, clip, truth, candidates)
        note = "; ".join(filter(None, (_short(truth), note)))
        pooled = measured if config.pool == "windows" else {}
        return MeasuredClip(
            _sample(clip, measured[MODEL].metrics, note),
            metrics={name: one.metrics for name, one in measured.items()},
            windows={name: _windows(one) for name, one in pooled.items()},
            k=k,
            used=len(measured[MODEL].table.clusters),
            source=truth.source,
            decay=_decay(truth, candidates, measured),
        )

    def _check_flow(self, dataset: Dataset) -> None:
        """Raise DataError where the folder of flow is another data set's."""
        folder = self.config.flow_dir
        if folder is not None and not any((folder / c.name).is_dir() for c in dataset.clips):
            raise DataError(
                f"{folder} holds no flow of {dataset.card.name}: there is no folder "
                f"{dataset.clips[0].name!r}, nor one of another clip; fix "
                "protocol.temporal.flow_dir"
            )

    def _add_miou(self, measured: Mapping[str, measures.Measured], background: int | None) -> None:
        """Add the mean IoUs of `kmeans-clip`."""
        unit = score_unit(measured[MODEL].table, measured[ORACLE].table, self.config, background)
        for metric, value in {**unit.metrics, **unit.references}.items():
            prefix, slash, name = metric.rpartition("/")
            measured[prefix + slash].metrics[name] = value

    def _add_flow(
        self,
        measured: Mapping[str, measures.Measured],
        clip: ClipFeatures,
        truth: ClipTruth,
        candidates: Mapping[str, Sequence[Map]],
    ) -> str:
        """Add the consistency along flow; return why there is none."""
        if self.config.score_size != "gt":
            return "flow needs score_size=gt"
        folder = self.config.flow_dir
        moved = motion(clip, truth, None if folder is None else FlowFolder(folder))
        if isinstance(moved, str):
            return moved
        scores = measures.flow_scores(truth, list(candidates.values()), moved)
        for name, value in zip(candidates, scores, strict=True):
            measured[name].metrics["flow_consistency"] = value
        return ""

    def _average(self, rows: Sequence[MeasuredClip], prefix: str) -> dict[str, float | None]:
        """Return every metric over the clips, or over all their windows."""
        scored = [row for row in rows if row.metrics]
        step = self.config.averaged
        out = {m: average([row.metrics[prefix].get(m) for row in scored], step) for m in METRICS}
        if self.config.pool == "windows":
            for metric in measures.WINDOWED:
                out[metric] = mean(v for row in scored for v in row.windows[prefix][metric])
            out["flip_rate"] = None if out["vc2"] is None else 1 - out["vc2"]
        return out


def _decay(
    truth: ClipTruth,
    candidates: Mapping[str, Sequence[Map]],
    measured: Mapping[str, measures.Measured],
) -> dict[str, list[float | None]]:
    """Return the scores of the model and of the oracle by the distance of frames."""
    pairs: dict[str, tuple[Sequence[Map], Match]] = {}
    for name in (MODEL, ORACLE):
        found = measured[name].match
        assert found is not None
        pairs[name] = (candidates[name], found)
    curves = decay.pixel_curves(truth.labels, pairs, truth.void)
    followed = {
        name + decay.PERSISTENCE: decay.persistence_curve(measured[name].things) for name in pairs
    }
    return {**curves, **followed}


def _record(
    recorder: Recorder,
    clip: ClipFeatures,
    tokens: Tokens,
    truth: ClipTruth,
    maps: Sequence[Map],
    found: measures.Measured,
) -> None:
    """Hand over the clusters of a clip and what they were matched with."""
    recorder.on_features(clip, tokens)
    grid = (tokens.shape[1], tokens.shape[2])
    for t, (ids, true) in enumerate(zip(maps, truth.labels, strict=True)):
        recorder.on_frame(clip, t, ids, true, grid, found.frames[t])
    outcome = UnitOutcome(found.metrics[HEADLINE])
    recorder.on_unit(clip, range(len(maps)), found.match, outcome=outcome)


def _why_unscored(clip: ClipFeatures, scored: frozenset[int], config: TemporalConfig) -> str:
    """Return why a clip has no score, empty if it has one."""
    if len(clip.frames) < 2:
        return "a single frame"
    if not scored:
        return "nothing but void"
    if len(scored) == 1 and config.single_class == "skip":
        return "a single class"
    return ""


def _short(truth: ClipTruth) -> str:
    """Return for which windows a clip is too short."""
    missing = [f"vc{c}" for c in LENGTHS if c > len(truth.labels)]
    return f"{len(truth.labels)} frames are too few for {', '.join(missing)}" if missing else ""


def _windows(found: measures.Measured) -> dict[str, list[float | None]]:
    """Return the value of every window of each metric, None where a window has no score."""
    return {
        metric: [None if np.isnan(v) else v for v in values.tolist()]
        for metric, values in found.windows.items()
    }


def _sample(clip: ClipFeatures, metrics: Mapping[str, float | None], note: str) -> UnitScore:
    return UnitScore(
        clip=clip.clip.name,
        n_frames=len(clip.frames),
        metrics={m: metrics.get(m) for m in METRICS},
        note=note,
    )


def _details(rows: Sequence[MeasuredClip], kind: LabelKind) -> dict[str, Any]:
    scored = [row for row in rows if row.metrics]
    return {
        "labels": kind,
        "objects": sorted({row.source for row in scored}),
        "units": len(rows),
        "units_scored": len(scored),
        "clusters": mean(float(row.k) for row in scored),
        "clusters_used": mean(float(row.used) for row in scored),
        "clips_with_flow": sum(row.sample.metrics["flow_consistency"] is not None for row in rows),
        "decay": decay.averaged([row.decay for row in scored]),
    }
