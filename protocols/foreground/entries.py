"""`foreground` and `foreground-classes`: citation and presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvseg_bench.benchmark.registry import ProtocolEntry, protocols
from tvseg_bench.benchmark.types import MetricCard
from tvseg_bench.protocols.common.config import mean_iou_cards
from tvseg_bench.protocols.foreground.config import (
    LEOPART,
    LEOPART_CLASSES,
    STANDARD,
    TIMET,
    TIMET_CLASSES,
    ForegroundClassesConfig,
    ForegroundConfig,
)

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation

PAPER = "Leopart, CVPR 2022, arXiv 2204.13101; TimeT, ICCV 2023, arXiv 2308.11796"


def _build(config: ForegroundConfig) -> Evaluation:
    from tvseg_bench.protocols.foreground.evaluation import Foreground, TunedForeground

    return TunedForeground(config) if config.threshold == "tuned-on-truth" else Foreground(config)


ENTRIES = {
    "foreground": ProtocolEntry(
        version=2,
        title="objects against background: clusters that lie within noisy masks",
        paper=PAPER,
        presets={
            "standard": ForegroundConfig(**STANDARD),
            "timet": ForegroundConfig(**TIMET),
            "leopart": ForegroundConfig(**LEOPART),
        },
        build=_build,
        metrics={
            "fg_iou": MetricCard(title="intersection over union of foreground and objects"),
            "noisy_iou": MetricCard(
                title="intersection over union of the noisy masks, which the foreground is made "
                "from, and objects"
            ),
        },
    ),
    "foreground-classes": ProtocolEntry(
        version=2,
        title="the extracted foreground divided into classes, without a label",
        paper=PAPER,
        presets={
            "standard": ForegroundClassesConfig(**STANDARD),
            "timet": ForegroundClassesConfig(**TIMET_CLASSES),
            "leopart": ForegroundClassesConfig(**LEOPART_CLASSES),
        },
        build=_build,
        metrics=mean_iou_cards("counts"),
    ),
}


def register() -> None:
    """Add the two protocols to the registry."""
    for name, entry in ENTRIES.items():
        protocols.register(name, entry)
