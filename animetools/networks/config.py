"""What the configs of all families share. A config is a network without its numbers.

A field's type says its range, which is what a network file may say.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

WIDEST = 1 << 17  # more than any network has; the sizes of its tensors can still be counted
LARGEST_SIDE = 8192  # pixels of an image
MOST = 1 << 30

Size = Annotated[int, 1, WIDEST]
Count = Annotated[int, 0, WIDEST]
Labels = Annotated[int, 0, 1 << 20]  # classes, or tags: Danbooru has half as many
Side = Annotated[int, 1, 1 << 10]
Group = Annotated[int, 1, MOST]
Positive = Annotated[float, 1e-9, MOST]

Architecture = Literal["skip", "resnet", "orig", "progressive"]
Activation = Literal["lrelu", "relu"]


@dataclass(frozen=True)
class MappingConfig:
    """The network from z, and from labels, to w.

    Labels are embedded and normalized on their own (`embed`: StyleGAN2-ADA), or multiplied by a
    matrix and normalized together with z (`concat`: StyleGAN 1 and 2). With a `bag` they are first
    reduced to so many numbers, by a matrix that learns or not: half a million tags fit into it.
    """

    z_dim: Count = 512
    c_dim: Labels = 0
    w_dim: Size = 512
    layers: Annotated[int, 0, 64] = 8
    width: Size = 512  # of all layers but the last
    lrmul: Positive = 0.01
    normalize: bool = True
    labels: Literal["embed", "concat"] = "embed"
    activation: Activation = "lrelu"
    bag: Count = 0
    bag_learns: bool = True

    def contradiction(self) -> str:
        """The field that contradicts the others, or ""."""
        embedded = self.w_dim if self.labels == "embed" else self.z_dim
        inputs = self.z_dim + (embedded if self.c_dim else 0)
        return "w_dim" if self.layers == 0 and inputs != self.w_dim else ""


@dataclass(frozen=True)
class Truncation:
    """The truncation that a network file suggests."""

    psi: float = 1.0
    cutoff: int | None = None  # how many rows of w it applies to, from the first; None is all


class Config:
    """A network's config. Each family has dataclasses of its own, whose fields are in files."""

    channels: tuple[Size, ...]  # of the blocks, from the lowest resolution upwards
    base: tuple[Side, Side]  # height and width of block 0; each next one doubles them
    image_channels: Size
    kernel: tuple[float, ...] = ()  # of the low-pass filter
    needs_kernel = False

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""
        doublings = len(self.channels) - 1
        return self.base[0] << doublings, self.base[1] << doublings

    def contradiction(self) -> str:
        """The field that contradicts the others, so that no module can be built, or ""."""
        if not self.channels:
            return "channels"
        if max(self.image_size) > LARGEST_SIDE:  # its tensors need not be as large as its images
            return "size"
        if (self.kernel or self.needs_kernel) and not sum(self.kernel) > 0:
            return "kernel"
        return ""


class GeneratorConfig(Config):
    """A generator's config."""

    mapping: MappingConfig
    truncation: Truncation

    def contradiction(self) -> str:
        """As in `Config`, and the mapping's."""
        own = super().contradiction() or ("z_dim" if self.mapping.z_dim < 1 else "")
        return own or self.mapping.contradiction()


class DiscriminatorConfig(Config):
    """A discriminator's config."""

    dense: Size  # width of the last hidden layer
    c_dim: Labels
    mbstd_group: Group | None  # images that are compared with each other; None is the whole batch
    mbstd_features: Count  # 0: no minibatch deviation

    def contradiction(self) -> str:
        """As in `Config`, and the minibatch deviation's."""
        if own := super().contradiction():
            return own
        features = self.mbstd_features
        return "mbstd_features" if features and self.channels[0] % features else ""
