"""How a picture is drawn: line, ink and shading."""

from dataclasses import dataclass

import numpy as np

from animetools.artist.canvas import Canvas
from animetools.artist.curves import Frame


@dataclass(frozen=True)
class Style:
    """How a picture is drawn.

    `line`: width of the ink in head units; `ink`: its darkness 0..1; `soft`: airbrushed as well as
    cel shading; `sketch`: lines on paper, no colors.
    """

    line: float
    ink: float
    soft: bool
    sketch: bool


def hatch(canvas: Canvas, frame: Frame) -> None:
    """Parallel pencil strokes over the whole canvas."""
    for place in np.arange(-4.0, 4.0, 0.075):
        line = frame.flat([(place - 2.0, 2.0), (place + 2.0, -2.0)])
        canvas.stroke(line, 0.014 * frame.size, (120.0, 120.0, 126.0))
