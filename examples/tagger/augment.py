"""Drawn pictures made to look like scans, screenshots, thumbnails and other hands' drawings."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]

GREYSCALE, TONED = "greyscale", "toned"
CLEAN = 0.15  # share of pictures that are only moved
INTERPOLATIONS = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA)
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Augmented:
    """A picture uint8 [side, side, 3]; `ink` is empty, GREYSCALE or TONED (shades of one color)."""

    pixels: Pixels
    ink: str


def augmented(rgb: Pixels, side: int, loose: bool, rng: Generator) -> Augmented:
    """A picture uint8 [H, W, 3] as it might have been seen elsewhere.

    With `loose` it may be cut; otherwise all of it stays visible.
    """
    if rng.random() < CLEAN:
        return Augmented(_moved(rgb, side, loose, rng), "")
    if rng.random() < 0.25:
        rgb = _line_weight(rgb, rng)
    rgb = _moved(rgb, side, loose, rng)
    if loose and rng.random() < 0.2:
        rgb = _occluded(rgb, rng)
    return worn(rgb, rng)


def worn(rgb: Pixels, rng: Generator) -> Augmented:
    """A picture uint8 [side, side, 3] in other light and colors, with grain, blur and compression."""
    x = np.asarray(rgb / np.float32(255), np.float32)
    if rng.random() < 0.35:
        x = _shaded(x, rng)
    if rng.random() < 0.8:
        x = _recolored(x, rng)
    ink = ""
    chance = rng.random()
    if chance < 0.07:
        ink = GREYSCALE if chance < 0.05 else TONED
        x = _monochrome(x, ink, rng)
    if rng.random() < 0.15:
        soft = cv2.GaussianBlur(x, (0, 0), 1.2)
        x = np.asarray(x + (x - soft) * rng.uniform(0.3, 1.5), np.float32)
    if rng.random() < 0.25:
        x = np.asarray(cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.3)), np.float32)
    if rng.random() < 0.25:
        grain = rng.normal(0, rng.uniform(0.01, 0.07), (*x.shape[:2], 1 if ink else 3))
        x = np.asarray(x + grain, np.float32)
    pixels = np.clip(x * 255 + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        pixels = _rescaled(pixels, rng)
    if rng.random() < 0.4:
        pixels = _jpeg(pixels, int(rng.integers(20, 92)))
    return Augmented(pixels, ink)


def _line_weight(rgb: Pixels, rng: Generator) -> Pixels:
    """Thicker or thinner dark lines."""
    change = cv2.erode if rng.random() < 0.5 else cv2.dilate
    changed = change(rgb, np.ones((3, 3), np.uint8) if rng.random() < 0.3 else _CROSS)
    share = float(rng.uniform(0.3, 1))
    return np.asarray(cv2.addWeighted(changed, share, rgb, 1 - share, 0), np.uint8)


_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def _moved(rgb: Pixels, side: int, loose: bool, rng: Generator) -> Pixels:
    """Mirrored, turned, scaled, stretched and shifted; `side` pixels."""
    high, wide = rgb.shape[:2]
    turn = np.radians(np.clip(rng.normal(0, 8), -25, 25)) if rng.random() < 0.5 else 0.0
    zoom = rng.uniform(0.72, 1.25) if loose else rng.uniform(0.75, 1.02)
    stretch = np.exp(rng.normal(0, 0.06))
    scale = zoom * side / max(high, wide) * np.array([stretch, 1 / stretch])
    if rng.random() < 0.5:
        scale[0] = -scale[0]
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = spin * scale
    room = 0.08 if loose else 0.04
    middle = side / 2 + rng.uniform(-room, room, 2) * side
    to = np.column_stack([linear, middle - linear @ [wide / 2, high / 2]])
    border = rng.choice([cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT_101, cv2.BORDER_REPLICATE])
    any_color = loose and rng.random() < 0.4
    paper = rng.integers(0, 256, 3).tolist() if any_color else [255, 255, 255]
    if not loose:
        border = cv2.BORDER_CONSTANT  # a mirrored person would be one more
    how = INTERPOLATIONS[int(rng.integers(1, 3))]
    made = cv2.warpAffine(
        rgb, to, (side, side), flags=how, borderMode=int(border), borderValue=paper
    )
    return np.asarray(made, np.uint8)


def _occluded(rgb: Pixels, rng: Generator) -> Pixels:
    """Something of one color in front."""
    rgb, side = rgb.copy(), len(rgb)
    for _ in range(int(rng.integers(1, 4))):
        color = tuple(map(int, rng.integers(0, 256, 3)))
        middle = tuple(map(int, rng.integers(0, side, 2)))
        axes = tuple(map(int, rng.integers(side // 24, side // 8, 2)))
        if rng.random() < 0.5:
            cv2.ellipse(rgb, middle, axes, float(rng.uniform(0, 180)), 0, 360, color, -1)
        else:
            low = (middle[0] + axes[0], middle[1] + axes[1])
            cv2.rectangle(rgb, middle, low, color, -1)
    return rgb


def _shaded(x: Values, rng: Generator) -> Values:
    """Uneven light: smooth, and colored a little."""
    cells = int(rng.integers(2, 6))
    light = rng.normal(1, rng.uniform(0.05, 0.2), (cells, cells, 1)) * np.ones(3)
    light = light + rng.normal(0, 0.03, (cells, cells, 3))
    size = (x.shape[1], x.shape[0])
    smooth = cv2.resize(light.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(x * smooth, np.float32)


def _recolored(x: Values, rng: Generator) -> Values:
    """Other saturation, contrast, brightness, gamma and white point."""
    grey = (x @ LUMA)[..., None]
    spread = (0.25, 0.16, 0.18, 0.045, 0.045, 0.045)
    saturation, contrast, gamma, *white = np.exp(rng.normal(0, spread)).astype(np.float32)
    brightness = np.float32(rng.normal(0.5, 0.05))
    made = (grey + (x - grey) * saturation - 0.5) * contrast + brightness
    return np.asarray(np.clip(made, 0, 1) ** gamma * np.array(white), np.float32)


def _monochrome(x: Values, ink: str, rng: Generator) -> Values:
    grey = (x @ LUMA)[..., None]
    if ink == GREYSCALE:
        return np.repeat(grey, 3, 2)
    dark = rng.uniform(0, 0.4, 3).astype(np.float32)
    light = np.float32(1) - rng.uniform(0, 0.25, 3).astype(np.float32)
    return np.asarray(dark + (light - dark) * np.clip(grey, 0, 1), np.float32)


def _rescaled(rgb: Pixels, rng: Generator) -> Pixels:
    """As if it had been enlarged from a smaller one."""
    side = len(rgb)
    small = int(side * rng.uniform(0.5, 0.9))
    down, up = (INTERPOLATIONS[int(rng.integers(low, 4))] for low in (1, 0))
    made = cv2.resize(
        cv2.resize(rgb, (small, small), interpolation=down), (side, side), interpolation=up
    )
    return np.asarray(made, np.uint8)


def _jpeg(rgb: Pixels, quality: int) -> Pixels:
    _, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    bgr = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(bgr[..., ::-1])
