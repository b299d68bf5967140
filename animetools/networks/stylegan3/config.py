"""The config of StyleGAN 3's generators. Their discriminators are StyleGAN 2's."""

import math
from dataclasses import dataclass
from typing import Annotated

from animetools.networks.config import (
    LARGEST_SIDE,
    GeneratorConfig,
    MappingConfig,
    Positive,
    Size,
    Truncation,
)

Factor = Annotated[int, 1, 16]
Taps = Annotated[int, 1, 256]  # 1 is no filter
Samples = Annotated[int, 1, 2 * LARGEST_SIDE]
Kernel = Annotated[int, 1, 15]
SLACK = 1e-6  # of a rate that is rounded to a whole number


@dataclass(frozen=True)
class LayerConfig:
    """A layer's output, and how it is resampled around the activation.

    `size` is the side of the output with its margin, `rate` its samples per width of the image;
    `cutoff` and `half_width` of its transition band are in cycles per width of the image.
    """

    size: Samples
    rate: Samples
    cutoff: Positive
    half_width: Positive
    up: Factor = 2
    down: Factor = 2
    up_taps: Taps = 12
    down_taps: Taps = 12
    radial: bool = False  # the filter of `down` is not separable


@dataclass(frozen=True)
class Resampled:
    """How the maps of a layer are resampled around its activation: sides, and steps of samples.

    `before` is how far the spread samples are padded, or cropped if it is below 0.
    """

    size: int
    inner: int  # at the higher rate, where the activation is
    out: int
    up: int
    down: int
    before: int


@dataclass(frozen=True)
class StyleGAN3GeneratorConfig(GeneratorConfig):
    """A generator. The last of its layers is the ToRGB, which has no filters.

    `channels` are those of the layers' outputs; the input has as many as the first.
    """

    mapping: MappingConfig
    channels: tuple[Size, ...]
    layers: tuple[LayerConfig, ...]
    input_size: Samples
    input_rate: Positive
    bandwidth: Positive  # of the input: amplitudes of higher frequencies fade
    image_channels: Size = 3
    conv_size: Kernel = 3  # of all layers but the last
    clamp: Positive | None = 256.0
    output_scale: Positive = 0.25
    truncation: Truncation = Truncation()  # noqa: RUF009  it is frozen

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""
        return self.layers[-1].size, self.layers[-1].size

    @property
    def architecture(self) -> str:
        """As the paper calls it: R is equivariant to rotation too; "" where it is neither."""
        radial = any(layer.radial for layer in self.layers)
        return {(3, False): "config T", (1, True): "config R"}.get((self.conv_size, radial), "")

    def contradiction(self) -> str:
        """As in `GeneratorConfig`, and how each layer follows from the one before it."""
        if not 1 < len(self.layers) == len(self.channels):
            return "layers"
        if own := super().contradiction():
            return own
        if self.channels[-1] != self.image_channels:
            return "image_channels"
        if not self.bandwidth < self.input_rate / 2:
            return "bandwidth"
        rate: float = self.input_rate
        for i, layer in enumerate(self.layers):
            if not math.isclose(rate * layer.up, layer.rate * layer.down, rel_tol=SLACK):
                return "rate"
            if (layer.up > 1 and layer.up_taps == 1) or (layer.down > 1 and layer.down_taps == 1):
                return "taps"
            if self.inner_size(i) > 4 * LARGEST_SIDE:
                return "size"
            rate = layer.rate
        last = self.layers[-1]
        whole = (last.up, last.down, last.up_taps, last.down_taps, last.radial)
        return "layers" if whole != (1, 1, 1, 1, False) else ""

    def inputs(self, i: int) -> tuple[int, int]:
        """Channels and side of layer i's input."""
        before = max(i - 1, 0)
        size = self.layers[before].size if i else self.input_size
        return self.channels[before], size

    def kernel_size(self, i: int) -> int:
        """The side of layer i's convolution."""
        return 1 if i == len(self.layers) - 1 else self.conv_size

    def inner_size(self, i: int) -> int:
        """The side of what layer i's activation is applied to."""
        return (self.layers[i].size - 1) * self.layers[i].down + self.layers[i].down_taps

    def padding(self, i: int) -> tuple[int, int]:
        """Zeros before and after the spread samples of layer i's convolution; below 0 it is cropped.

        They keep every sample where it is in the image, and crop the margin in the last layer but one.
        """
        layer, (_, size) = self.layers[i], self.inputs(i)
        spread = (size + self.kernel_size(i) - 1) * layer.up
        total = self.inner_size(i) - spread + layer.up_taps - 1
        before = (total + layer.up) // 2
        return before, total - before

    def resampled(self, i: int) -> Resampled:
        """How the maps of layer i are resampled, once they are convolved."""
        layer, (_, size) = self.layers[i], self.inputs(i)
        size += self.kernel_size(i) - 1
        inner, (before, _) = self.inner_size(i), self.padding(i)
        return Resampled(size, inner, layer.size, layer.up, layer.down, before)
