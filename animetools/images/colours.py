"""Colours as people type them."""

from PIL import ImageColor

from animetools.errors import FatalError

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)


def colour(text: str) -> Colour:
    """The sRGB levels of a name or a CSS notation: white, #f80, rgb(255,136,0).

    Raises FatalError if it is none.
    """
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise FatalError(f"--background takes a colour as white or #ffffff, not '{text}'") from None
    return red, green, blue
