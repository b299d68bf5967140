"""The 256 colors of a GIF."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from animetools.films.pyav import av
from animetools.images.files import Pixels

_TICK = Fraction(1, 100)
SIDE = 16  # a palette is a picture of 16 x 16 colors


class Palette:
    """Turns frames, uint8 [height, width, 3], into frames of 256 colors, the same for all."""

    def __init__(self, sample: Sequence[Pixels]) -> None:
        """Choose the colors by some of the frames."""
        pyav = av()
        self.pyav = pyav
        height, width = sample[0].shape[:2]
        colors = self._chosen(sample, width, height)
        # An ordered pattern stays where it is from frame to frame; diffused errors flicker.
        self.graph = pyav.filter.Graph()
        self.frames = self.graph.add_buffer(
            width=width, height=height, format="rgb24", time_base=_TICK
        )
        palette = self.graph.add_buffer(
            width=SIDE, height=SIDE, format=colors.format.name, time_base=_TICK
        )
        use = self.graph.add("paletteuse", "dither=bayer:bayer_scale=3:diff_mode=rectangle")
        sink = self.graph.add("buffersink")
        self.frames.link_to(use, 0, 0)
        palette.link_to(use, 0, 1)
        use.link_to(sink)
        self.graph.configure()
        self.sink, self.count = sink, 0
        colors.pts = 0
        palette.push(colors)
        palette.push(None)

    def _chosen(self, sample: Sequence[Pixels], width: int, height: int) -> Any:
        graph = self.pyav.filter.Graph()
        source = graph.add_buffer(width=width, height=height, format="rgb24", time_base=_TICK)
        chosen, sink = graph.add("palettegen", "stats_mode=full"), graph.add("buffersink")
        source.link_to(chosen)
        chosen.link_to(sink)
        graph.configure()
        for number, pixels in enumerate(sample):
            source.push(self._frame(pixels, number))
        source.push(None)
        return sink.pull()

    def __call__(self, pixels: Pixels) -> Any:
        """A frame of FFmpeg's in these colors."""
        self.frames.push(self._frame(pixels, self.count))
        self.count += 1
        return self.sink.pull()

    def _frame(self, pixels: Pixels, number: int) -> Any:
        frame = self.pyav.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame.pts, frame.time_base = number, _TICK
        return frame
