"""Evaluation protocols: one file each, with its citation, its config and its named presets.

Importing this package registers them; it loads neither numpy nor torch.
"""

from tvseg_bench.protocols import (
    foreground_entries,
    kmeans_entries,
    linear_entries,
    propagation_entries,
    retrieval_entries,
    segmenter_entries,
    temporal_entries,
)

foreground_entries.register()
kmeans_entries.register()
linear_entries.register()
propagation_entries.register()
retrieval_entries.register()
segmenter_entries.register()
temporal_entries.register()
