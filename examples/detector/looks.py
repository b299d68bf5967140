"""How a finished picture looks: tagger's light, colors, grain and compression, and screens and paint."""

import cv2
import numpy as np
from numpy.random import Generator

from examples.detector.sprites import Pixels
from examples.tagger.augment import worn

CLEAN = 0.08  # share of pictures left as they are


def looked(rgb: Pixels, rng: Generator) -> Pixels:
    """The picture uint8 [side, side, 3] by another hand; everything stays where it is."""
    if rng.random() < CLEAN:
        return rgb
    chance = rng.random()
    if chance < 0.08:
        rgb = _screened(rgb, rng)
    elif chance < 0.14:
        rgb = _posterized(rgb, rng)
    elif chance < 0.2:
        rgb = _tinted(rgb, rng)
    elif chance < 0.24:
        rgb = np.asarray(cv2.medianBlur(rgb, int(rng.choice([3, 5]))), np.uint8)
    return worn(rgb, rng).pixels


def _screened(rgb: Pixels, rng: Generator) -> Pixels:
    """Printed in black with screentone: dots whose size is the darkness."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    high, wide = grey.shape
    pitch, angle = rng.uniform(2.2, 6), np.deg2rad(rng.uniform(20, 70))
    x, y = np.arange(wide)[None], np.arange(high)[:, None]
    along = (x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / pitch
    across = (y * np.cos(angle) - x * np.sin(angle)) * 2 * np.pi / pitch
    screen = 127 + 63 * (np.cos(along) + np.cos(across))
    light, dark = rng.uniform(190, 250), rng.uniform(30, 110)
    ink = np.clip((grey - screen) * rng.uniform(1, 6) + 127, 0, 255)
    ink = np.where(grey > light, 255, np.where(grey < dark, 0, ink))
    return np.repeat(ink.astype(np.uint8)[..., None], 3, 2)


def _posterized(rgb: Pixels, rng: Generator) -> Pixels:
    """In few tones."""
    step = float(rng.uniform(24, 85))
    smooth = cv2.GaussianBlur(rgb, (0, 0), 1.0).astype(np.float32)
    return np.clip(np.round(smooth / step) * step, 0, 255).astype(np.uint8)


def _tinted(rgb: Pixels, rng: Generator) -> Pixels:
    """In the light of an evening, a night, a lamp: strong, and stronger at one side."""
    lights = rng.uniform(0.2, 1.1, (2, 3)).astype(np.float32)
    share = np.linspace(0, 1, rgb.shape[0], dtype=np.float32)[:, None, None]
    light = lights[0] + (lights[1] - lights[0]) * share
    return np.asarray(np.clip(rgb * light, 0, 255), np.uint8)
