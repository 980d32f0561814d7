"""Frames, segments and clusters as images: what belongs to which class has its colour."""

from __future__ import annotations

import base64
import colorsys
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.metrics.matching import UNMATCHED
from tvseg_bench.benchmark.types import VOID

if TYPE_CHECKING:
    from PIL.Image import Image

    Frames = NDArray[np.uint8]
    """[T, H, W, 3]."""

COLOURS: tuple[tuple[int, int, int], ...] = (
    *((230, 75, 53), (0, 150, 199), (255, 183, 3), (0, 137, 100), (142, 68, 173)),
    *((255, 112, 166), (106, 168, 79), (61, 90, 200), (176, 106, 40), (0, 196, 180)),
    *((190, 30, 90), (148, 176, 0), (100, 180, 255), (255, 140, 60), (90, 70, 140)),
    *((200, 150, 220), (0, 110, 60), (240, 200, 120), (120, 120, 0), (70, 130, 150)),
)
"""Of the labels from 1 on, again from the start after the last."""
_SHOWN_WIDTH = 256
"""Pixels of one frame on the page."""
_GAP = 6
_STRIPE = 4


def label_colour(label: int, background: int | None) -> tuple[int, int, int] | None:
    """Return the colour of a label, None for the background, which keeps the frame's grey."""
    if label == background:
        return None
    return COLOURS[(label - (background is not None)) % len(COLOURS)]


def cluster_colour(cluster: int) -> tuple[int, int, int]:
    """Return the colour of a cluster before it is matched: hues that stay apart however many."""
    hue = (0.11 + cluster * 0.61803398875) % 1
    light = (0.62, 0.74, 0.5)[cluster % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, light, 0.55)
    return round(red * 255), round(green * 255), round(blue * 255)


def css(colour: tuple[int, int, int] | None) -> str:
    """Return a colour as CSS writes it; that of the background is a grey."""
    return "rgb({} {} {})".format(*(colour or (176, 176, 176)))


def segments(images: Frames, labels: NDArray[np.integer[Any]], background: int | None) -> Frames:
    """Return frames with every label in its colour.

    The background keeps the frame in grey, an unmatched cluster is hatched, void is dark.

    Args:
        images: [T, H, W, 3].
        labels: [T, H, W]; -1 = unmatched, 255 = void.
        background: the label that is left grey.
    """
    grey = images.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    soft = np.repeat((grey * 0.55 + 95)[..., None], 3, axis=-1)
    coloured = [
        None if label == VOID else label_colour(label, background)
        for label in range(int(labels.max(initial=0)) + 1)
    ]
    out = _painted(soft, labels, coloured)
    rows, cols = np.indices(labels.shape[1:])
    stripes = np.broadcast_to(((rows + cols) // _STRIPE % 2 == 0), labels.shape)
    lost = labels == UNMATCHED
    out[lost] = np.where(stripes[lost][:, None], 0.25 * soft[lost], 0.2 * soft[lost] + 200)
    out[labels == VOID] = 40
    return _outlined(out, labels)


def clusters(images: Frames, ids: NDArray[np.integer[Any]]) -> Frames:
    """Return frames with every cluster in a colour of its own; where there is none, grey."""
    grey = images.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    soft = np.repeat((grey * 0.4 + 70)[..., None], 3, axis=-1)
    coloured = [cluster_colour(i) for i in range(int(ids.max(initial=0)) + 1)]
    return _outlined(_painted(soft, ids, coloured), ids)


def _painted(
    soft: NDArray[np.float32],
    ids: NDArray[np.integer[Any]],
    colours: Sequence[tuple[int, int, int] | None],
) -> NDArray[np.float32]:
    """Mix colours into grey frames; an id below 0 or without a colour leaves the frame as it is.

    Args:
        soft: [T, H, W, 3].
        ids: [T, H, W], up to len(colours) - 1.
        colours: of the ids from 0 on.
    """
    # the last one, -1, leaves the frame as it is
    table = np.array([colour or (0, 0, 0) for colour in (*colours, None)], np.float32)
    weight = np.array([0.7 * (colour is not None) for colour in (*colours, None)], np.float32)
    at = np.where(ids < 0, len(colours), ids)
    mixed: NDArray[np.float32] = soft * (1 - weight)[at][..., None] + (weight[:, None] * table)[at]
    return mixed


def resized(
    frames: Iterable[NDArray[np.uint8]],
    size: tuple[int, int],
    method: Literal["BILINEAR", "BOX"] = "BILINEAR",
) -> Frames:
    """Return frames or colours on the patch grid, T times [rows, cols, 3], at the size (H, W)."""
    from PIL import Image

    how = Image.Resampling[method]
    return np.stack([np.asarray(Image.fromarray(f).resize(size[::-1], how)) for f in frames])


def _outlined(out: NDArray[np.float32], ids: NDArray[np.integer[Any]]) -> Frames:
    """Darken the pixels where one segment meets the next."""
    edge = np.zeros(ids.shape, bool)
    edge[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    edge[:, :, 1:] |= ids[:, :, 1:] != ids[:, :, :-1]
    out[edge] *= 0.45
    return out.round().clip(0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Strip:
    """Frames side by side as one image."""

    src: str
    """A `data:` address."""
    width: int
    height: int


def strip(frames: Frames) -> Strip:
    """Return frames side by side as one image."""
    from PIL import Image

    scale = min(1.0, _SHOWN_WIDTH / frames.shape[2])
    width, height = (max(1, round(n * scale)) for n in (frames.shape[2], frames.shape[1]))
    whole = Image.new("RGBA", (len(frames) * (width + _GAP) - _GAP, height))
    for i, frame in enumerate(frames):
        shown = Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS)
        whole.paste(shown, (i * (width + _GAP), 0))
    return Strip(address(whole), *whole.size)


def columns(count: int, width: int) -> list[float]:
    """Return where the middles of the frames of a strip are, in percent of its width."""
    shown = min(width, _SHOWN_WIDTH)
    whole = count * (shown + _GAP) - _GAP
    return [100 * (i * (shown + _GAP) + shown / 2) / whole for i in range(count)]


def address(image: Image) -> str:
    """Return an image as a `data:` address."""
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=82, method=2)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def panels(parts: Sequence[tuple[str, Frames]], across: int) -> list[NDArray[np.uint8]]:
    """Return the frames of a video: parts in a grid, each below its name.

    Args:
        parts: names and frames [T, H, W, 3], all of one shape.
        across: parts in a row at most.
    """
    from PIL import Image, ImageDraw, ImageFont

    count, height, width = parts[0][1].shape[:3]
    scale = min(1.0, 300 / width)
    width, height = (max(2, round(n * scale / 2) * 2) for n in (width, height))
    title, across = 20, min(across, len(parts))
    down = -(-len(parts) // across)
    font = ImageFont.load_default(12)
    made = []
    for t in range(count):
        whole = Image.new("RGB", (across * (width + 4), down * (height + title)), (16, 19, 23))
        draw = ImageDraw.Draw(whole)
        for i, (name, frames) in enumerate(parts):
            x, y = i % across * (width + 4), i // across * (height + title)
            draw.text((x + 4, y + 3), _short(name, width), (236, 238, 240), font)
            shown = Image.fromarray(frames[t]).resize((width, height), Image.Resampling.LANCZOS)
            whole.paste(shown, (x, y + title))
        made.append(np.asarray(whole))
    return made


def _short(name: str, width: int) -> str:
    most = max(4, width // 7)
    return name if len(name) <= most else f"{name[: most - 1]}…"
