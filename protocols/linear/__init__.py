"""`linear`: a linear probe on frozen features, trained on some clips and scored on others.

Every convention is a value with a name. Nothing here computes: importing this package loads
neither numpy nor torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from tvseg_bench.benchmark.registry import ProtocolEntry
from tvseg_bench.protocols.common.config import LearnedConfig, mean_iou_cards

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation
    from tvseg_bench.benchmark.registry import Registry


class LinearConfig(LearnedConfig):
    """Everything that moves a number of `linear`."""

    optimizer: Literal["lbfgs", "sgd", "adamw"] = "lbfgs"
    """lbfgs: all patches at once, to the optimum of a convex problem. sgd, adamw: batches of
    frames."""
    targets: Literal["patch-shares", "pixels"] = "patch-shares"
    """What the cross-entropy is taken against: the share of each label in a patch's pixels that
    are not void, patches weighted by these (`lbfgs`); or each pixel's label, against bilinearly
    upsampled logits (`sgd`, `adamw`)."""
    scaling: Literal["standardise", "batchnorm", "none"] = "standardise"
    """What happens to features before the 1x1 convolution: standardised per dimension over the
    patches learnt from (`lbfgs`), batch normalisation in training (`sgd`, `adamw`), or nothing."""
    max_patches: int = Field(default=400_000, ge=100)
    """Patches that `lbfgs` learns from, at most (but one per frame): as many of each frame, by
    chance."""
    l2: float = Field(default=1e-2, gt=0)
    """Penalty l2 / 2 of the squared weights on standardised features, for `lbfgs`; the bias goes
    free. Of 1e-4, 1e-3, 1e-2 and 1e-1 the best on PASCAL VOC and moving-shapes and third on DAVIS
    (two points below the best), with an ImageNet SqueezeNet."""
    max_iter: int = Field(default=500, ge=1)
    """Iterations of `lbfgs`, at most."""
    tol: float = Field(default=1e-6, gt=0)
    """Largest partial derivative at which `lbfgs` ends."""

    train_size: int | Literal["input"] = 100
    """Side of the square masks that `pixels` are taken from, dropped from masks of the size of
    the input; input = these themselves."""
    batch_frames: int = Field(default=120, ge=1)
    """Frames per step."""
    length: int = Field(default=25, ge=1)
    """How long training lasts, in `length_unit`."""
    length_unit: Literal["epochs", "steps"] = "epochs"
    """An epoch shows every frame once; its last batch may be smaller."""
    order: Literal["shuffled", "fixed"] = "shuffled"
    """Order of frames: drawn again for every epoch, or the data set's."""
    lr: float = Field(default=0.01, gt=0)
    """Learning rate."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of `sgd`."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Weight decay: within the gradient of `sgd`, decoupled in `adamw`."""
    schedule: Literal["step", "warmup-cosine"] = "step"
    """step: the rate is divided by ten after every `drop_epochs`. warmup-cosine: it rises linearly
    from 1e-6 of itself over `warmup_steps`, then falls to 0 along a cosine."""
    drop_epochs: int = Field(default=20, ge=1)
    """Epochs between two drops of `step`."""
    warmup_steps: int = Field(default=1500, ge=0)
    """Steps of rising rate."""
    dropout: float = Field(default=0, ge=0, lt=1)
    """Share of feature dimensions that are zeroed per frame and step."""
    init: Literal["uniform", "normal"] = "uniform"
    """First weights of `sgd` and `adamw`: within 1 / sqrt(D) of 0, bias too, as torch makes them;
    or normal with deviation 0.01 and bias 0."""
    checkpoint: Literal["last"] = "last"
    """Which weights are scored. Published runs choose the best on the very clips that are scored;
    that is not done."""
    probe_seeds: int = Field(default=1, ge=1, le=100)
    """Probes trained on the same clips, each with a seed of its own; the first one is the score,
    `details` hold the mIoU of all and their deviation. `lbfgs` starts from zero and always ends
    at the same optimum, so there it moves nothing but the picked patches."""

    inference: Literal["whole", "sliding"] = "whole"
    """whole: logits of the frame, upsampled. sliding: logits upsampled in windows of
    `window` pixels every `window_stride`, both rounded to patches, and averaged; the features
    are those of the whole frame."""
    window: int = Field(default=512, ge=1)
    """Side of a window in pixels."""
    window_stride: int = Field(default=341, ge=1)
    """Distance of windows in pixels."""

    @model_validator(mode="after")
    def _fits(self) -> LinearConfig:
        convex = self.optimizer == "lbfgs"
        if convex != (self.targets == "patch-shares"):
            raise ValueError(
                f"optimizer={self.optimizer} learns from "
                f"targets={'patch-shares' if convex else 'pixels'}, not {self.targets}"
            )
        allowed = ("standardise", "none") if convex else ("batchnorm", "none")
        if self.scaling not in allowed:
            raise ValueError(
                f"optimizer={self.optimizer} takes scaling={' or '.join(allowed)}, "
                f"not {self.scaling}"
            )
        return self


STANDARD = LinearConfig()
"""Multinomial logistic regression on the patch grid, solved to its optimum: soft labels, void
never counted, no learning rate, no epochs, no choice of checkpoint; prediction by upsampled
logits at ground-truth size."""

LEOPART = LinearConfig(
    size=448,
    resize="square",
    score_size=448,
    absent_class="zero",
    optimizer="sgd",
    targets="pixels",
    scaling="none",
)
"""Leopart (CVPR 2022, arXiv 2204.13101; experiments/linear_probing of MkuuWaUjinga/leopart): SGD
0.01, momentum 0.9, decay 1e-4, 25 epochs, /10 after 20, batch 60 on each of two GPUs, masks of 100
pixels; scored at 448. Its random crops and flips and its choice of checkpoint on validation data
are not made: features of the whole frames, the last weights."""

NECO = LEOPART.model_copy(update={"score_size": 100, "batch_frames": 128})
"""NeCo (ICLR 2025, arXiv 2408.11054; experiments/linear_segmentation): Leopart's recipe with
batch 128, scored at 100 pixels. The same is left out: crops, flips, choice of checkpoint."""

TIMET = LEOPART.model_copy(
    update={
        "score_size": 100,
        "absent_class": "skip",
        "batch_frames": 60,
        "length": 50,
        "order": "fixed",
    }
)
"""TimeT (ICCV 2023, arXiv 2308.11796; linear_finetune.py of SMSD75/Timetuning): 50 epochs, /10
after every 20, batch 60 in fixed order, validation transforms (no augmentation is published
either), scored at 100 pixels."""

DINOV3 = LinearConfig(
    size=512,
    absent_class="skip-unpredicted",
    optimizer="adamw",
    targets="pixels",
    scaling="batchnorm",
    train_size="input",
    batch_frames=16,
    length=40_000,
    length_unit="steps",
    lr=1e-3,
    weight_decay=1e-3,
    schedule="warmup-cosine",
    dropout=0.1,
    init="normal",
    inference="sliding",
)
"""DINOv3 (arXiv 2508.10104; dinov3/eval/segmentation): dropout 0.1, batch normalisation, AdamW
1e-3, 40 000 steps of 16, 1500 of warm-up, scored at ground-truth size. Its scale jitter, crops,
flips and photometric changes are not made, and its windows of 512 every 341 pixels average logits
of the whole frame's features, where the original extracts features per window."""


def register(protocols: Registry[ProtocolEntry]) -> None:
    """Add the protocol to the registry."""
    protocols.register(
        "linear",
        ProtocolEntry(
            version=1,
            title="linear probe on frozen features, trained on other clips",
            paper="Leopart, CVPR 2022, arXiv 2204.13101",
            presets={
                "standard": STANDARD,
                "leopart": LEOPART,
                "neco": NECO,
                "timet": TIMET,
                "dinov3": DINOV3,
            },
            build=_build,
            metrics=mean_iou_cards("counts"),
            seconds_per_frame=0.13,
        ),
    )


def _build(config: LinearConfig) -> Evaluation:
    from tvseg_bench.protocols.linear.evaluation import LinearProbe

    return LinearProbe(config)
