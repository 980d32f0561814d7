"""Cluster-based foreground extraction (CBFE), scored against the objects of the ground truth.

Clusters of patches over the whole data set are foreground where they lie within noisy masks, such
as the class token's attention. Leopart (arXiv 2204.13101), section 4.3; TimeT (arXiv 2308.11796).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tvseg_bench.benchmark.clustering.foreground_clusters import (
    foreground_clusters,
    tune_threshold,
)
from tvseg_bench.benchmark.evaluation import Needs, RunContext
from tvseg_bench.benchmark.types import Dataset, FeatureSet, Score, View
from tvseg_bench.protocols.common.feature_sets import ClipsOf
from tvseg_bench.protocols.common.ground_truth import label_kind
from tvseg_bench.protocols.common.splits import check_divisible, folds
from tvseg_bench.protocols.foreground import ForegroundClassesConfig, ForegroundConfig
from tvseg_bench.protocols.foreground.classes import check_classes, check_installed, score_classes
from tvseg_bench.protocols.foreground.clusters import Clustered, clustered
from tvseg_bench.protocols.foreground.mask_scores import (
    against_truth,
    background_of,
    score_masks,
    stacked,
)


@dataclass(frozen=True)
class Foreground:
    """Foreground without a label: the threshold is fixed."""

    config: ForegroundConfig
    needs = Needs(passes=2)

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown."""
        return self.config.view(dataset)

    def check_dataset(self, dataset: Dataset) -> None:
        """Raise NotApplicableError where no label is background, or the labels are missing."""
        _check(dataset, self.config)

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Cluster the data set, choose the foreground and score it.

        Raises:
            NotApplicableError: the labels know no background, or no clip shows an object.
        """
        self.check_dataset(features.dataset)
        _check_packages(self.config)
        found = clustered(features, self.config, run.seed)
        details = {"threshold": self.config.fixed_threshold}
        return _score(features, found, found, self.config, details, run)


@dataclass(frozen=True)
class TunedForeground:
    """Foreground as published: the threshold is tuned on the ground truth of training clips."""

    config: ForegroundConfig
    needs = Needs(training=True, passes=2)

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown."""
        return self.config.view(dataset)

    def check_dataset(self, dataset: Dataset) -> None:
        """Raise NotApplicableError where no label is background, the labels are missing, or
        there is nothing to tune on."""
        _check(dataset, self.config)
        check_divisible(dataset)

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Tune the threshold on the training clips, or on half of the clips; score the others.

        Raises:
            NotApplicableError: the labels know no background, or there is nothing to tune on.
        """
        config, seed = self.config, run.seed
        _check(features.dataset, config)
        _check_packages(config)
        fold = folds(features, run.training, seed)[0]
        train, features = fold.train, fold.test
        if config.training == "joined":
            pool = clustered(ClipsOf((train, features)), config, seed)
            known, found = pool.part(slice(len(train))), pool.part(slice(len(train), None))
        else:
            known = clustered(train, config, seed)
            pool = found = clustered(features, config, seed)
        tables = [t for _, t in against_truth(known, train.dataset, config)]
        tuned = tune_threshold(known.precision, stacked(tables))
        details = {
            "threshold": tuned.threshold,
            "tuned_on": f"{train.dataset.card.name}:{train.dataset.split}, {len(train)} clips",
            "cuts": [list(cut) for cut in tuned.candidates],
        }
        return _score(features, found, pool, config, details, run)


def _check(dataset: Dataset, config: ForegroundConfig) -> None:
    """Refuse, before anything is computed, what cannot be scored."""
    background_of(dataset)
    label_kind(dataset, "clip", "card")
    if isinstance(config, ForegroundClassesConfig):
        check_classes(dataset)


def _check_packages(config: ForegroundConfig) -> None:
    """Refuse, before anything is computed, what cannot be computed here."""
    if isinstance(config, ForegroundClassesConfig):
        check_installed(config)


def _score(
    features: FeatureSet,
    found: Clustered,
    pool: Clustered,
    config: ForegroundConfig,
    details: dict[str, Any],
    run: RunContext,
) -> Score:
    """Score the clips `found` among those that were clustered together, `pool`."""
    chosen = foreground_clusters(found.precision, details["threshold"])
    details |= {
        "mask_source": found.source,
        "foreground_clusters": int(chosen.sum()),
        "clusters": found.k,
        "empty_clusters": int(np.isnan(found.precision).sum()),
    }
    if isinstance(config, ForegroundClassesConfig):
        return score_classes(features, found, pool, chosen, config, details, run)
    return score_masks(features.dataset, found, chosen, config, details, run.recorder)
