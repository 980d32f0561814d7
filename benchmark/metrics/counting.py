"""The compiled loops of contingency tables and of consistency over time.

Neighbouring pixels mostly agree. Maps are therefore read a word of eight bytes at a time, and what
is counted are spans of equal pixels: a span costs one addition, however long it is.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.compiled import compiled

Array: TypeAlias = NDArray[Any]

LANES = 4
"""Tables that are counted in turns: neighbours, which mostly fall into one cell of the table, do
not wait for each other."""


def flat(values: Array) -> Array:
    """Return an array as one row that compiled code reads and does not write."""
    row: Array = np.ascontiguousarray(values).reshape(-1).view()
    row.setflags(write=False)
    return row


def words(row: Array) -> Array:
    """Return the whole words of eight bytes at the start of a row, as one number each."""
    per = 8 // row.itemsize
    return row[: len(row) // per * per].view(np.uint64)


def repeated_one(row: Array) -> np.uint64:
    """Return the word of which every element is 1: times a value, the word that repeats it."""
    return np.uint64(sum(1 << shift for shift in range(0, 64, 8 * row.itemsize)))


def present(values: Array) -> NDArray[np.bool_]:
    """Return which of the 256 values an array of bytes holds."""
    found, row = np.zeros(256, np.bool_), flat(values)
    if len(row):
        mark_values(row, words(row), repeated_one(row), found)
    return found


@compiled()
def count_pairs(
    truth: Array, low: int, predicted: Array, low_p: int, cols: int, lanes: Array
) -> None:
    """Add one to lanes[i % LANES, (truth[i] - low) * cols + predicted[i] - low_p], for each i."""
    whole = len(truth) - len(truth) % LANES
    for i in range(0, whole, LANES):
        for lane in range(LANES):
            cell = (truth[i + lane] - low) * cols + predicted[i + lane] - low_p
            lanes[lane, cell] += 1
    for i in range(whole, len(truth)):
        lanes[0, (truth[i] - low) * cols + predicted[i] - low_p] += 1


@compiled()
def count_spans(
    truth: Array, truth_words: Array, low: int, predicted: Array, predicted_words: Array,
    low_p: int, cols: int, repeated: Any, table: Array,
) -> None:  # fmt: skip
    """Add to table[(truth[i] - low) * cols + predicted[i] - low_p], for each i, as `count_pairs`.

    Args:
        truth: [N] of one byte each, as `predicted`.
        truth_words: what `words` returns of it.
        repeated: what `repeated_one` returns of it.
    """
    n, most = len(truth), len(truth_words)
    first = 0
    while first < n:
        t, p = truth[first], predicted[first]
        ts, ps = repeated * np.uint64(t), repeated * np.uint64(p)
        end = first + 1
        while end < n:
            if end % 8 == 0:
                w = end // 8
                while w < most and truth_words[w] == ts and predicted_words[w] == ps:
                    w += 1
                end = 8 * w
                if end >= n:
                    break
            if truth[end] != t or predicted[end] != p:
                break
            end += 1
        table[(int(t) - low) * cols + int(p) - low_p] += end - first
        first = end


@compiled()
def mark_values(row: Array, row_words: Array, repeated: Any, found: Array) -> None:
    """Set found[v] for every value v of a row of bytes; arguments as of `count_spans`."""
    n, most = len(row), len(row_words)
    found[row[0]] = True
    same = repeated * np.uint64(row[0])
    for w in range(most):
        if row_words[w] != same:
            for i in range(8 * w, 8 * w + 8):
                found[row[i]] = True
            same = repeated * np.uint64(row[8 * w + 7])
    for i in range(8 * most, n):
        found[row[i]] = True


@compiled()
def count_cells(
    labels: Array, row_of: Array, row_cell: Array, column_cell: Array, table: Array
) -> None:
    """Add one to table[row_of[label], row_cell[y] + column_cell[x]] for each label [H, W]."""
    height, width = labels.shape
    for y in range(height):
        row = labels[y]
        label, cell, first = row[0], column_cell[0], 0
        for x in range(1, width):
            if row[x] != label or column_cell[x] != cell:
                table[row_of[label], row_cell[y] + cell] += x - first
                label, cell, first = row[x], column_cell[x], x
        table[row_of[label], row_cell[y] + cell] += width - first


@compiled()
def longer(run: int, kept: bool, cap: int) -> int:
    """Return a run that goes on for one more frame, up to a cap, or begins again."""
    return min(run + 1, cap) if kept else 1


@compiled()
def count_held(
    truth: Array, truth_words: Array, truth_before: Array, truth_before_words: Array,
    ids: Array, ids_words: Array, ids_before: Array, ids_before_words: Array,
    runs: Array, runs_words: Array, repeated: Any, label_of: Array, right: Array, void: int,
    level_of: Array, static: Array, stable: Array, correct: Array, kept: Array,
) -> None:  # fmt: skip
    """Count the pixels of one frame by how long they have had their label and their id.

    Args:
        truth: [N] codes of true labels; `truth_before` those of the frame before, or of this one.
        ids: [N] codes of clusters; likewise.
        runs: [3, N] frames for which each pixel has had its true label, its id, and the label
            that the id stands for, up to the frame before; brought up to this one in place. All
            are of the type of `truth` and `ids`.
        runs_words: the words of each row, as of the maps; see `count_spans`.
        label_of: code of the label that each id stands for.
        right: code, among the labels of ids, of each true label; -1 where it is none of them.
        void: code of a true label that is never kept, -1 where there is none.
        level_of: [cap + 1] level of a run.
        static: [C, levels] pixels by true label and level of its run; added to, like the others.
        stable: [levels] pixels by level of the shorter of the runs of true label and id.
        correct: [levels] those with the true label, by the shorter of its run and the label's.
        kept: [C, P, levels] pixels by true label, label, and the shorter of their runs.
    """
    n, most, cap = len(truth), len(truth_words), len(level_of) - 1
    per = 8 // truth.itemsize
    first = 0
    while first < n:
        t, t_before, k, k_before = truth[first], truth_before[first], ids[first], ids_before[first]
        r0, r1, r2 = runs[0, first], runs[1, first], runs[2, first]
        ts, ks = repeated * np.uint64(t), repeated * np.uint64(k)
        ts_before, ks_before = repeated * np.uint64(t_before), repeated * np.uint64(k_before)
        r0s, r1s, r2s = (repeated * np.uint64(r0), repeated * np.uint64(r1),
                         repeated * np.uint64(r2))  # fmt: skip
        end = first + 1
        while end < n:
            if end % per == 0:
                w = end // per
                while (
                    w < most
                    and truth_words[w] == ts
                    and ids_words[w] == ks
                    and truth_before_words[w] == ts_before
                    and ids_before_words[w] == ks_before
                    and runs_words[0, w] == r0s
                    and runs_words[1, w] == r1s
                    and runs_words[2, w] == r2s
                ):
                    w += 1
                end = w * per
                if end >= n:
                    break
            if (
                truth[end] != t
                or ids[end] != k
                or truth_before[end] != t_before
                or ids_before[end] != k_before
                or runs[0, end] != r0
                or runs[1, end] != r1
                or runs[2, end] != r2
            ):
                break
            end += 1
        label = label_of[k]
        held = longer(int(r0), t == t_before, cap)
        held_id = longer(int(r1), k == k_before, cap)
        held_label = longer(int(r2), label == label_of[k_before], cap)
        if held != r0:
            runs[0, first:end] = held
        if held_id != r1:
            runs[1, first:end] = held_id
        if held_label != r2:
            runs[2, first:end] = held_label
        if int(t) == void:
            held = 0
        level = level_of[min(held, held_label)]
        static[t, level_of[held]] += end - first
        stable[level_of[min(held, held_id)]] += end - first
        kept[t, label, level] += end - first
        if label == right[t]:
            correct[level] += end - first
        first = end
