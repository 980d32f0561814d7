"""How much arithmetic a frame costs, counted once per model and view."""

from __future__ import annotations

from tvseg_bench.benchmark.types import FeatureModel, Segmenter


def gflops(model: FeatureModel | Segmenter, size: int) -> float | None:
    """Return the GFLOPs of the forward pass of one square frame, two a multiply-add.

    Matrix products, convolutions and attention are counted (`torch.utils.flop_counter`). The pass
    is one of its own, on a black frame, so that counting can change no feature.

    Args:
        size: short side of a frame, in pixels, as in a view.

    Returns:
        Thousand millions; None for models that take whole clips or cannot be counted, and 0 for
        those that hold no such operation.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    card = model.card
    if card.temporal == "clip" or not isinstance(model, FeatureModel):
        return None
    side = max(round(size / card.patch_size), 1) * card.patch_size
    first = next(model.parameters(), None) if isinstance(model, torch.nn.Module) else None
    device = None if first is None else first.device
    try:
        image = torch.zeros(1, 3, side, side, device=device)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model.extract(image)
    except Exception:  # a plugin may refuse; its cell is worth more than this number
        return None
    return float(round(counter.get_total_flops() / 1e9, 4))
