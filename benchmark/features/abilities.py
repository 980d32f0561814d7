"""Whether a model has the method that a view needs; known before a frame is decoded."""

from __future__ import annotations

from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.types import FeatureModel, Segmenter, View


def check_abilities(model: FeatureModel | Segmenter, view: View) -> None:
    """Find out whether a model can give what a view wants.

    Raises:
        NotApplicableError: it wants features, or clusters, and the model has none.
    """
    name = model.card.name
    if view.output == "features" and not isinstance(model, FeatureModel):
        raise NotApplicableError(
            f"model {name!r} brings its own clusters and no features, since it has no "
            "extract(images) -> PatchFeatures; score it with the protocol 'segmenter'"
        )
    if view.output == "segments" and not isinstance(model, Segmenter):
        raise NotApplicableError(
            f"model {name!r} brings no clusters of its own, since it has no "
            "segment(images) -> ids; score its features with 'kmeans-clip' or another protocol"
        )
