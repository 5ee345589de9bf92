"""Opening images of unknown origin: in formats that Pillow decodes by itself, and of a bounded size.

The header says how large an image is, so one that claims more pixels than a patch has is refused before any is decoded:
a file of some kilobytes cannot fill the memory.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SIDE = 4096
"""Most pixels a side of an image."""

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM")
"""Formats that Pillow decodes by itself: it hands others, such as EPS, to outside programs."""


def open_image(source: str | Path | BinaryIO, formats: Sequence[str] = FORMATS) -> "Image":
    """An image whose header alone has been read.

    Raises:
        ValueError: it is none, or claims to be too large; the message goes on after the image's name.
    """
    from PIL import Image

    if isinstance(source, str | Path) and Path(source).exists() and not Path(source).is_file():
        raise ValueError("is no regular file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # what it warns of is refused below
            image = Image.open(source, formats=formats)
    except Exception as error:  # Pillow raises half a dozen unrelated classes on a broken file
        raise ValueError(f"cannot be read: {error}") from error
    if max(image.size) > MAX_SIDE:
        image.close()
        raise ValueError(f"is {image.width}x{image.height} pixels; at most {MAX_SIDE} a side: cut it into patches")
    return image
