"""Objects over time, from one table of pixels by true object and predicted one.

A tube is an object in all frames of a clip. Everything here is a function of the summed table of
a clip, so that pixels are read once.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from tvseg_bench.benchmark.metrics.contingency import Contingency
from tvseg_bench.benchmark.metrics.matching import UNMATCHED, Match


def matched_table(c: Contingency, match: Match) -> Contingency:
    """Return pixels by true object and by the object that each cluster stands for.

    Example:
        >>> c = Contingency(np.array([0, 4]), np.arange(3), np.array([[9, 1, 6], [0, 5, 2]]))
        >>> found = matched_table(c, Match(c.clusters, np.array([0, 4, 0])))
        >>> found.clusters.tolist(), found.table.tolist()
        ([0, 4], [[15, 1], [2, 5]])
    """
    given = match.apply(c.clusters)
    clusters = np.unique(given)
    columns = [c.table[:, given == label].sum(axis=1) for label in clusters]
    table = np.stack(columns, axis=1) if columns else np.zeros((len(c.labels), 0), np.int64)
    return Contingency(c.labels, clusters, table)


def tube_iou(c: Contingency, things: Collection[int]) -> float | None:
    """Return the mean over true objects of the IoU with the tube predicted as them, within 0..1.

    Args:
        c: Pixels by true and by predicted object, see `matched_table`; void left out.
        things: The objects; other ids (background) only count where they are confused with one.

    Returns:
        None where there is no object.

    Source: the sequence IoU of youtubevos/cocoapi pycocotools/ytvoseval.py.

    Example:
        >>> c = Contingency(np.array([0, 4]), np.array([0, 4]), np.array([[15, 1], [2, 5]]))
        >>> tube_iou(c, things=[4])
        0.625
    """
    labels = [label for label in c.labels.tolist() if label in things]
    square = c.select(labels=None, clusters=c.labels)
    inside = np.diag(square.table)
    iou = inside / (c.table.sum(axis=1) + square.table.sum(axis=0) - inside)
    kept = np.isin(c.labels, labels)
    return float(iou[kept].mean()) if kept.any() else None


def association_quality(c: Contingency, things: Collection[int]) -> float | None:
    """Return AQ, how well true objects and predicted tubes of any name go together, within 0..1.

    AQ = mean over true tubes g of 1/|g| sum_p TPA(p, g) IoU(p, g): the association term of STQ,
    where `stq.tracks` finds the tubes of maps.

    Args:
        c: Pixels by true and by predicted object; void left out.
        things: Which ids are objects, in the truth and in the prediction.

    Returns:
        None where there is no true object.

    Source: Weber et al. 2021; google-research/deeplab2.

    Example:
        >>> c = Contingency(np.array([0, 4]), np.array([0, 4]), np.array([[15, 1], [2, 5]]))
        >>> association_quality(c, things=[4])
        0.44642857142857145
    """
    rows, columns = (np.isin(ids, list(things)) for ids in (c.labels, c.clusters))
    if not rows.any():
        return None
    shared = c.table[np.ix_(rows, columns)]
    size = c.table[rows].sum(axis=1, keepdims=True)
    union = size + c.table[:, columns].sum(axis=0) - shared
    return float((shared * (shared / union) / size).sum(axis=1).mean())


def class_table(c: Contingency, class_of: dict[int, int]) -> Contingency:
    """Return pixels by true and by predicted class; ids without a class keep none.

    Example:
        >>> c = Contingency(np.array([1, 2]), np.array([1, 2]), np.array([[3, 1], [2, 4]]))
        >>> class_table(c, {1: 7, 2: 7}).table.tolist()
        [[10]]
    """
    rows = Match(c.labels, np.array([class_of.get(i, UNMATCHED) for i in c.labels.tolist()]))
    columns = Match(
        c.clusters, np.array([class_of.get(i, UNMATCHED) for i in c.clusters.tolist()])
    )
    by_column = matched_table(c, columns)
    turned = Contingency(by_column.clusters, c.labels, by_column.table.T)
    both = matched_table(turned, rows)
    return Contingency(both.clusters, both.labels, both.table.T)
