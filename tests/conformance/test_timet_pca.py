"""normalize_and_transform of TimeT (my_utils.py): standardisation, then PCA without whitening."""

from typing import Any

import numpy as np
import pytest

from tvseg_bench.benchmark.clustering import fit_projection

pytestmark = pytest.mark.conformance

MANIFEST = "timet_pca"
FIELDS = ("case", "n", "d", "k", "constant_column", "out_var", "eigvals")


def test_projection(case: Any) -> None:
    entry = case.fields(*FIELDS)
    found = case.arrays("in", "out")
    x, published = found["in"], found["out"]
    assert x.shape == (entry["n"], entry["d"])
    assert bool((x.std(axis=0) == 0).any()) == entry["constant_column"]
    fitted = fit_projection(x, entry["k"])
    ours = fitted(x).astype(np.float64)
    # signs of components are arbitrary: the Gram matrix has none
    gram = published.astype(np.float64) @ published.T
    np.testing.assert_allclose(ours @ ours.T, gram, rtol=0, atol=1e-4 * np.abs(gram).max())
    leading = fitted.variances[: len(entry["eigvals"])]
    np.testing.assert_allclose(leading, entry["eigvals"], rtol=1e-5)
    variances = ours.var(axis=0)[: len(entry["out_var"])]
    np.testing.assert_allclose(variances, entry["out_var"], rtol=1e-4)
