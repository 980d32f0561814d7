"""One small run that all reports are made of."""

from pathlib import Path

import pytest

import tvseg_bench


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, four protocols, all clips of moving-shapes: five small frames of each."""
    out = tmp_path_factory.mktemp("report")
    protocols = ["kmeans-frame", "kmeans-clip", "kmeans-dataset", "foreground"]
    tvseg_bench.run(
        ["baseline/pixels", "selfdistil/tiny"],
        protocols,
        "moving-shapes",
        output=out,
        overrides={"protocol.all.frames": 5, "protocol.all.size": 112},
    )
    return out
