"""Pictures inside the page: checked, made small, written as data addresses."""

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

NUM_COLOURS = 128
"""Of a plot's palette. Measured on seven plots: 207 kB in 0.17 s; as they were 658 kB; by median
cut 254 kB in 0.45 s. The eye finds no difference."""

MOST_PIXELS = 20_000_000
"""Larger pictures were not made by autocnn, and would make the page slow."""

MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg"}


@dataclass(frozen=True)
class Picture:
    """A picture as the page holds it.

    Attributes:
        data: The bytes of a PNG or JPEG file.
        media_type: `image/png` or `image/jpeg`.
        width, height: In px.
    """

    data: bytes
    media_type: str
    width: int
    height: int

    @property
    def address(self) -> str:
        """All of it, for `src`."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode('ascii')}"


def load_picture(data: bytes | None) -> Picture | None:
    """A picture that the page can show; None for what is no whole PNG or JPEG.

    The colours of a PNG are reduced to a palette, where that makes it smaller. The same
    bytes give the same picture.

    Args:
        data: The bytes of a file, or None.
    """
    from PIL import Image  # slow to import, and only reports need it

    if data is None:
        return None
    try:
        with Image.open(io.BytesIO(data), formats=tuple(MEDIA_TYPES)) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            kind, size = str(image.format), image.size
            image.load()
            if kind == "PNG":
                data = min(data, _with_palette(image), key=len)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return Picture(data=data, media_type=MEDIA_TYPES[kind], width=size[0], height=size[1])


def _with_palette(image: "Image") -> bytes:
    from PIL.Image import Dither, Quantize

    buffer = io.BytesIO()
    full = image.convert("RGBA")
    if full.getchannel("A").getextrema() == (255, 255):
        full = full.convert("RGB")
    few = full.quantize(NUM_COLOURS, method=Quantize.FASTOCTREE, dither=Dither.NONE)
    few.save(buffer, "PNG")
    return buffer.getvalue()
