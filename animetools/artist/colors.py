"""Colors as RGB triples of 0..255, and their changes in light and shadow."""

import colorsys

import numpy as np
from numpy.random import Generator

Color = tuple[float, float, float]

WHITE: Color = (255.0, 255.0, 255.0)
BLACK: Color = (0.0, 0.0, 0.0)
INK: Color = (46.0, 36.0, 52.0)


def mix(one: Color, other: Color, share: float) -> Color:
    """A mix of two colors; `share` 0 gives the first, 1 the second."""
    a, b, c = (p + (q - p) * share for p, q in zip(one, other, strict=True))
    return (a, b, c)


def times(one: Color, other: Color) -> Color:
    """The product of two colors: one seen through the other."""
    a, b, c = (p * q / 255 for p, q in zip(one, other, strict=True))
    return (a, b, c)


def shade(color: Color, amount: float = 0.35) -> Color:
    """The color in shadow: darker, cooler and a little more saturated."""
    return times(color, mix(WHITE, (112, 84, 148), amount))


def skin_shade(skin: Color, amount: float = 0.5) -> Color:
    """Skin in shadow, which stays warm."""
    return times(skin, mix(WHITE, (214, 128, 132), amount))


def light(color: Color, amount: float = 0.4) -> Color:
    """The color where light falls on it."""
    return mix(color, (255, 250, 240), amount)


def line_of(color: Color, darkness: float = 0.72) -> Color:
    """The ink that outlines an area of that color."""
    return mix(shade(color, 0.8), INK, darkness)


def hue(degrees: float, saturation: float, value: float) -> Color:
    """A color by hue 0..360, saturation and value 0..1."""
    red, green, blue = colorsys.hsv_to_rgb(degrees / 360 % 1, saturation, value)
    return (red * 255, green * 255, blue * 255)


def vary(rng: Generator, color: Color, spread: float = 0.04) -> Color:
    """A random color of the same name: hue, saturation and value close by."""
    h, s, v = colorsys.rgb_to_hsv(*(part / 255 for part in color))
    return hue(
        h * 360 + float(rng.normal(0, spread * 120)),
        float(np.clip(s * (1 + rng.normal(0, spread * 2)), 0, 1)),
        float(np.clip(v * (1 + rng.normal(0, spread)), 0, 1)),
    )


def glint(color: Color) -> Color:
    """A brighter neighboring hue: the color of light that passes through."""
    h, s, v = colorsys.rgb_to_hsv(*(part / 255 for part in color))
    backward = 40 < h * 360 < 70 or 180 < h * 360 < 250
    return hue(h * 360 + (-26 if backward else 26), s * 0.8, min(v * 1.15, 1))


def grey(color: Color) -> float:
    """The lightness of a color, 0..1."""
    return (0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]) / 255
