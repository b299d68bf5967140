"""Colors as people type them."""

from typing import NamedTuple


class Color(NamedTuple):
    """sRGB levels, 0 to 255."""

    red: int
    green: int
    blue: int

    @classmethod
    def parse(cls, text: str) -> "Color":
        """The color of a name or a CSS notation: white, #f80, rgb(255,136,0).

        Raises ValueError, in one sentence, for anything else.
        """
        from PIL import ImageColor

        try:
            return cls(*ImageColor.getrgb(text)[:3])
        except ValueError:
            raise ValueError(f"'{text}' is not a color: write it as white or #ffffff") from None

    def __str__(self) -> str:
        return "white" if self == WHITE else "#{:02x}{:02x}{:02x}".format(*self)


WHITE = Color(255, 255, 255)
