"""Pictures in files as arrays of 8 bits, gray or coloured, whatever their depth and transparency."""

from __future__ import annotations

import io
import logging
import warnings
from typing import TYPE_CHECKING

import numpy as np

from ffcli.datasets.base import Array, BrokenDataError
from ffcli.datasets.kinds import PICTURE, kind_of

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_BYTES = 1 << 27
"""How large a picture's file may be."""

# Formats that are read in this process: for others, such as EPS, Pillow would start a program.
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
logging.getLogger("PIL").addHandler(logging.NullHandler())  # what it logs of damage is in its errors too
_MAX_SAMPLE_VALUES = (281, 341)  # tags of a TIFF file: of integers, of any type


def to_gray(rgb: Array) -> Array:
    """Return (…, 3) as (…) of the same type: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601, as in Pillow)."""
    if rgb.dtype == np.uint8:
        red, green, blue = np.moveaxis(rgb.astype(np.uint32), -1, 0)
        return np.asarray((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16, np.uint8)
    weights = np.array([0.299, 0.587, 0.114], rgb.dtype if rgb.dtype.kind == "f" else float)
    gray: Array = rgb @ weights
    return gray if rgb.dtype.kind == "f" else np.asarray(np.rint(gray), rgb.dtype)


def white_level(high: int) -> int:
    """Return the white of values that reach ``high``: 2ᵇ - 1 of 8, 10, 12, 14 or 16 bits."""
    return next((2**bits - 1 for bits in (8, 10, 12, 14) if high < 2**bits), 65535)


def decode(content: bytes, name: str) -> tuple[Array, list[str]]:
    """Return a picture as uint8, (H, W) or (H, W, 3), and what is to be said of how it was read.

    A camera's turn is undone; of a moving picture the first frame is taken. More than 8 bits are scaled by
    what the file says or else by the range of the values. What is drawn on a transparent ground is laid on
    white, or on black where the drawing is light.

    Raises:
        BrokenDataError: it is no picture of a known format, is damaged, or is absurdly large.
    """
    from PIL import Image, ImageOps

    kind = kind_of(content[:4096])
    if not kind.name and kind.advice:
        raise BrokenDataError(f"{name} is {kind.what}. {kind.advice}")
    notices: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is odd in a picture and can be read all the same
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
                white = _stated_white(picture, content)
                upright = ImageOps.exif_transpose(picture)
                if upright.mode[0] in "IF":
                    return _eight_bits(np.asarray(upright), white, notices), notices
                if upright.mode in ("1", "L") and "transparency" not in upright.info:
                    return np.asarray(upright.convert("L")), notices
                if upright.mode in ("RGBA", "LA", "La", "RGBa", "PA") or "transparency" in upright.info:
                    return _laid_on_ground(np.asarray(upright.convert("RGBA")), notices), notices
                return np.asarray(upright.convert("RGB")), notices
    except BrokenDataError:
        raise
    except Exception as error:  # what is damaged makes Pillow's readers fail in a dozen ways
        if kind is not PICTURE and kind.name:
            raise BrokenDataError(f"{name} cannot be read as an image: it is {kind.what}") from None
        reason = str(error) or type(error).__name__
        raise BrokenDataError(f"{name} cannot be read as an image: {reason}") from None


def _stated_white(picture: Image, content: bytes) -> float | None:
    """Return the value of white that a file of more than 8 bits tells, or None."""
    if picture.format == "TIFF":
        tags = getattr(picture, "tag_v2", {})
        stated = next((tags[tag] for tag in _MAX_SAMPLE_VALUES if tag in tags), None)
        value = stated[0] if isinstance(stated, tuple) else stated
        return float(value) if isinstance(value, (int, float)) and value > 0 else None
    if picture.format == "PNG" and (at := content.find(b"sBIT", 0, 1 << 16)) > 0:
        bits = content[at + 4]
        return float(2**bits - 1) if 1 <= bits <= 16 else None
    return None


def _eight_bits(values: Array, white: float | None, notices: list[str]) -> Array:
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise BrokenDataError("the picture holds values that are NaN or infinite")
    low, high = float(values.min()), float(values.max())
    black = 0.0
    if white is None or high > white or (white == 1 and high > 1):
        if low < 0 or high > 65535:
            black, white = low, max(high, low + 1e-30)
        elif high <= 1:
            white = 1.0
        else:
            white = float(white_level(int(np.ceil(high))))
    if (black, white) not in ((0.0, 65535.0), (0.0, 255.0)):
        notices.append(
            f"its values run from {low:g} to {high:g}: {black:g} is taken as black, {white:g} as white"
        )
    return np.rint((values - black) * (255 / (white - black))).clip(0, 255).astype(np.uint8)


def _laid_on_ground(rgba: Array, notices: list[str]) -> Array:
    """Return a picture without its transparency, on the ground against which the drawing stands out."""
    alpha = rgba[..., 3]
    colours = rgba[..., :3]
    is_gray = bool((colours == colours[..., :1]).all())
    flat: Array = colours[..., 0] if is_gray else colours
    if (alpha == 255).all():
        return np.ascontiguousarray(flat)
    weight = alpha.astype(np.float64) / 255
    total = float(weight.sum())
    ink = float((to_gray(np.ascontiguousarray(colours)) * weight).sum()) / total if total else 0.0
    ground = 0 if ink > 127 else 255
    notices.append(f"what is transparent is taken as {'black' if ground == 0 else 'white'}")
    if not is_gray:
        weight = weight[..., np.newaxis]
    return np.rint(flat * weight + ground * (1 - weight)).astype(np.uint8)


def size_of(height: int, width: int) -> str:
    """Return a size as messages give it, the width first: 28×28, or 640×480 (width × height)."""
    return f"{width}×{height}" + (" (width × height)" if width != height else "")


def border(pixels: Array) -> Array:
    """Return the outermost pixels of a picture, (n,) or (n, 3)."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def fit(pixels: Array, height: int, width: int) -> Array:
    """Return a picture, uint8 (H, W) or (H, W, 3), scaled to a size, and padded where its shape is another.

    The padding is of the median colour of its border.
    """
    from PIL import Image

    tall, wide = pixels.shape[:2]
    new = max(tall, round(wide * height / width)), max(wide, round(tall * width / height))
    padded = np.empty((*new, *pixels.shape[2:]), np.uint8)
    padded[:] = np.median(border(pixels), axis=0)
    top, left = (new[0] - tall) // 2, (new[1] - wide) // 2
    padded[top : top + tall, left : left + wide] = pixels
    return np.asarray(Image.fromarray(padded).resize((width, height), Image.Resampling.LANCZOS))
