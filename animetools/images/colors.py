"""Colors as a user types them."""

from PIL import ImageColor

from animetools.errors import FatalError

Color = tuple[int, int, int]

WHITE: Color = (255, 255, 255)


def color(text: str) -> Color:
    """The sRGB levels of a color name or CSS color: white, #f80, rgb(255,136,0).

    Raises FatalError for anything else.
    """
    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise FatalError(f"--background takes a color as white or #ffffff, not '{text}'") from None
    return red, green, blue
