"""From frames to a film file, by PyAV."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Self

import numpy as np

from animetools.films.origin import add_text
from animetools.films.palette import Palette
from animetools.films.pyav import av
from animetools.films.sound import RATE, Samples, samples
from animetools.images.files import Pixels

THREADS = 4  # of the encoder: more or fewer would give other bytes
BT709, LIMITED = 1, 1  # FFmpeg's numbers for colors, and for their range


@dataclass(frozen=True)
class Container:
    """How a kind of film file is written; without a `crf` it has no quality to choose."""

    codec: str
    layout: str  # of pixels
    muxer: dict[str, str] = field(default_factory=dict)
    codec_options: dict[str, str] = field(default_factory=dict)
    crf: int = 0
    sound: str = ""


CONTAINERS = {
    # Browsers play yuv420p alone, and begin before all is there if the index comes first. Without mbtree
    # the last frame is as good as the first: with it a loop has a seam, of 1.4 times the usual step.
    # "faster" with more bits for colors is as good as "medium" for its size, in 0.6 of the time.
    "mp4": Container(
        "libx264",
        "yuv420p",
        {"movflags": "+faststart"},
        {"preset": "faster", "x264-params": "mbtree=0:chroma-qp-offset=-2"},
        18,
        "aac",
    ),
    "webm": Container(
        "libvpx-vp9",
        "yuv420p",
        {},
        {"deadline": "good", "cpu-used": "4", "row-mt": "1"},
        30,
        "libopus",
    ),
    "gif": Container("gif", "pal8", {"loop": "0"}),
    "apng": Container("apng", "rgb24", {"plays": "0"}),
}


@dataclass(frozen=True)
class Recipe:
    """What a film file is to be: its kind, its frames (before they are made even), and its quality.

    `origin` is ASCII text that says where it comes from; `sound` the file of its sound.
    """

    kind: str
    size: tuple[int, int]
    fps: Fraction
    count: int
    origin: str
    crf: int | None = None
    bitrate: int | None = None
    sound: str = ""

    @property
    def container(self) -> Container:
        """How it is written."""
        return CONTAINERS[self.kind]

    @property
    def final_size(self) -> tuple[int, int]:
        """Width and height of the film: even ones where colors have half the resolution."""
        if self.container.layout != "yuv420p":
            return self.size
        return self.size[0] + self.size[0] % 2, self.size[1] + self.size[1] % 2


class Encoder:
    """Writes the frames of a film to a file, one at a time; its end completes the file.

    Raises OSError where the disk does not take it.
    """

    def __init__(self, path: str, recipe: Recipe, sample: Sequence[Pixels]) -> None:
        """`sample` are some of the frames, from which a palette is chosen."""
        self.path, self.recipe, self.pyav = path, recipe, av()
        container = recipe.container
        self.palette = Palette(sample) if container.layout == "pal8" else None
        self.box = self.pyav.open(path, "w", format=recipe.kind, options=container.muxer)
        self.box.metadata["comment"] = recipe.origin
        self.video = self._video_stream(container)
        self.written = 0
        self.sound: Iterator[Samples] = iter(())
        self.audio: Any = None
        self.heard, self.length = 0, round(recipe.count * RATE / recipe.fps)  # samples
        if recipe.sound:
            self.audio = self.box.add_stream(container.sound, rate=RATE, layout="stereo")
            self.sound = samples(recipe.sound)

    def _video_stream(self, container: Container) -> Any:
        recipe = self.recipe
        stream = self.box.add_stream(container.codec, rate=recipe.fps)
        stream.width, stream.height = recipe.final_size
        stream.pix_fmt = container.layout
        stream.codec_context.thread_count = THREADS
        options = dict(container.codec_options)
        if recipe.bitrate:
            stream.bit_rate = recipe.bitrate
        elif container.crf:
            options["crf"] = str(recipe.crf or container.crf)
            stream.bit_rate = 0
        if container.layout == "yuv420p":
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = BT709
            context.color_range = LIMITED
        stream.options = options
        return stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._complete()
        else:
            self.box.close()

    def write(self, pixels: Pixels) -> None:
        """Add a frame, uint8 [height, width, 3]."""
        frame = self._frame(pixels)
        frame.pts, frame.time_base = self.written, 1 / self.recipe.fps
        self._mux(self.video.encode(frame))
        self.written += 1
        self._hear(round(self.written * RATE / self.recipe.fps))

    def _frame(self, pixels: Pixels) -> Any:
        if self.palette:
            return self.palette(pixels)
        height, width = pixels.shape[:2]
        wide, high = self.recipe.final_size
        if (wide, high) != (width, height):
            pixels = np.pad(pixels, ((0, high - height), (0, wide - width), (0, 0)), "edge")
        frame = self.pyav.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        if self.recipe.container.layout == "rgb24":
            return frame
        return frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")

    def _hear(self, until: int) -> None:
        """Add the sound up to this sample."""
        while self.heard < until and (block := next(self.sound, None)) is not None:
            block = block[:, : self.length - self.heard]
            frame = self.pyav.AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", "stereo")
            frame.sample_rate, frame.pts = RATE, self.heard
            frame.time_base = Fraction(1, RATE)
            self.heard += block.shape[1]
            self._mux(self.audio.encode(frame))

    def _mux(self, packets: Sequence[Any]) -> None:
        for packet in packets:
            self.box.mux(packet)

    def _complete(self) -> None:
        for stream in filter(None, (self.video, self.audio)):
            self._mux(stream.encode(None))
        self.box.close()
        add_text(self.path, self.recipe.kind, self.recipe.origin)
