"""What every data set of videos is run with."""

from collections.abc import Callable
from pathlib import Path

import pytest

import tvseg_bench
from tvseg_bench.benchmark.results.schema import Result


@pytest.fixture
def scored(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], Result]:
    """Run baseline/pixels by kmeans-clip on a data set below a data root."""

    def run(dataset: str, root: Path) -> Result:
        report = tvseg_bench.run(
            model="baseline/pixels",
            protocol="kmeans-clip",
            dataset=dataset,
            data_root=root,
            output=tmp_path_factory.mktemp("run"),
            overrides={"protocol.kmeans-clip.size": 32, "protocol.kmeans-clip.n_init": 1},
        )
        [result] = report.results
        return result

    return run
