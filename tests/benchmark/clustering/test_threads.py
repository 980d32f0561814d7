from __future__ import annotations

import sys
import threading

import numpy as np
import torch

from tvseg_bench.benchmark.clustering.threads import _controller, default_threads, workers
from tvseg_bench.benchmark.compiled import FINITE, compiled


def blas_threads():
    return [lib["num_threads"] for lib in _controller().info() if lib["user_api"] == "blas"]


def test_torch_decides_how_many_then_openmp(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert default_threads() == 3
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setenv("OMP_NUM_THREADS", "5,2")
    assert default_threads() == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert default_threads() >= 1


def test_work_keeps_its_order_and_blas_is_restored():
    before = blas_threads()
    with workers(3) as outer, workers(2) as inner:
        assert set(blas_threads()) == {1}
        assert list(outer.map(lambda x: x * x, range(20))) == [x * x for x in range(20)]
        assert list(inner.map(str, [1])) == ["1"]
    assert blas_threads() == before


def test_an_error_in_a_worker_is_raised_and_the_limit_lifted():
    before = blas_threads()
    try:
        with workers(2) as pool:
            list(pool.map(lambda x: 1 // x, [1, 0]))
    except ZeroDivisionError:
        pass
    else:
        raise AssertionError("the error was lost")
    assert blas_threads() == before


def test_without_a_folder_to_cache_in_it_still_compiles():
    space: dict[str, object] = {}
    exec("def total(x):\n    s = 0.0\n    for v in x:\n        s += v\n    return s", space)
    assert compiled(**FINITE)(space["total"])(np.arange(5.0)) == 10.0


def test_blocks_within_a_block_share_its_workers():
    with workers(2) as outer:
        with workers() as inner:
            assert inner is outer
        assert list(outer.map(str, [1, 2])) == ["1", "2"]  # still open

        def nested(x):
            with workers() as alone:
                assert alone is not outer
                return list(alone.map(lambda y: (x, y, threading.get_ident()), range(3)))

        for x, rows in enumerate(outer.map(nested, range(9))):
            assert [row[:2] for row in rows] == [(x, y) for y in range(3)]
            assert len({thread for *_, thread in rows}) == 1
    with workers(2) as later:
        assert later is not outer
