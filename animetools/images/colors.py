"""Colors as people type them."""

from PIL import ImageColor

from animetools.errors import FatalError

Color = tuple[int, int, int]

WHITE: Color = (255, 255, 255)


def color(text: str) -> Color:
    """The sRGB levels of a name or a CSS notation: white, #f80, rgb(255,136,0).

    Raises FatalError if it is none.
    """
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise FatalError(f"--background takes a color as white or #ffffff, not '{text}'") from None
    return red, green, blue
