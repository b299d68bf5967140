"""Layers that the networks of all families are made of."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from animetools.networks import ops
from animetools.networks.activation import activate
from animetools.networks.config import MappingConfig


@dataclass(frozen=True)
class Scheme:
    """Activation and scales of layers, the same in a whole network.

    StyleGAN 1 has its gain in the weights (`weight_gain`), StyleGAN 2 in the output of the
    activation (`output_gain`).
    """

    activation: str = "linear"
    weight_gain: float = 1.0
    output_gain: float = 1.0
    equalized: bool = True
    clamp: float | None = None

    def scales(self, fan_in: int, lrmul: float = 1.0) -> tuple[float, float]:
        """The standard deviation of a new weight, and the factor of a stored one when it is used.

        Source: Karras et al. 2018 (Progressive GAN), section 4.1 (equalized learning rate).
        """
        proper = self.weight_gain / math.sqrt(fan_in)
        return (1 / lrmul, proper * lrmul) if self.equalized else (proper / lrmul, lrmul)

    def activate(
        self,
        x: Tensor,
        bias: Tensor | None,
        scale: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Scale, noise, bias, activation, gain and clamp."""
        return activate(
            x, bias, self.activation, self.output_gain, self.clamp, scale=scale, noise=noise
        )


LINEAR = Scheme()


def normal(*shape: int, deviation: float = 1.0) -> Tensor:
    """New normal numbers; on the meta device none are drawn, which is slow to load."""
    value = torch.empty(shape)
    return value if value.is_meta else value.normal_(0, deviation)


class Dense(nn.Module):
    """[n, inputs] to [n, outputs]. `bias` is its initial value; None is no bias."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        scheme: Scheme = LINEAR,
        *,
        lrmul: float = 1.0,
        bias: float | None = 0.0,
    ) -> None:
        super().__init__()
        deviation, self.scale = scheme.scales(inputs, lrmul)
        self.scheme, self.lrmul = scheme, lrmul
        self.weight = nn.Parameter(normal(outputs, inputs, deviation=deviation))
        self.bias = None if bias is None else nn.Parameter(torch.full((outputs,), bias))

    def forward(self, x: Tensor) -> Tensor:
        x = functional.linear(x, self.weight * self.scale)
        return self.scheme.activate(x, None if self.bias is None else self.bias * self.lrmul)


class Conv(nn.Module):
    """[n, inputs, H, W] to [n, outputs, H, W], or half the size with the kernel `down`."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        scheme: Scheme = LINEAR,
        *,
        bias: bool = True,
        down: Sequence[float] = (),
    ) -> None:
        super().__init__()
        deviation, self.scale = scheme.scales(inputs * size * size)
        self.scheme = scheme
        self.weight = nn.Parameter(normal(outputs, inputs, size, size, deviation=deviation))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.down: Tensor | None
        self.register_buffer("down", ops.resampling(down) if down else None, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * self.scale
        size = weight.shape[-1]
        if self.down is None:
            x = ops.conv(x, weight)
        elif size == 1:
            x = ops.conv(ops.downsample(x, self.down), weight)
        else:
            x = ops.conv_down(x, weight, self.down)
        return self.scheme.activate(x, self.bias)


class Bag(nn.Module):
    """Labels c [n, tags] to the weighted sums [n, width] of the rows of their tags in a matrix.

    Only those rows are read. A label of TAGS tags has numbers of variance 1 at first, however many
    tags there are in all: the biases that are added to it later do not drown it. A matrix that does
    not learn is a buffer.
    """

    TAGS = 16  # of a picture, or so

    def __init__(self, tags: int, width: int, *, learns: bool) -> None:
        super().__init__()
        self.weight: Tensor
        weight = normal(tags, width)
        if learns:
            self.weight = nn.Parameter(weight)
        else:
            self.register_buffer("weight", weight)

    def forward(self, c: Tensor) -> Tensor:
        images, tags = c.nonzero(as_tuple=True)
        rows = functional.embedding(tags, self.weight) * c[images, tags, None]
        sums = rows.new_zeros(len(c), rows.shape[1]).index_add(0, images, rows)
        return sums / math.sqrt(self.TAGS)


class Mapping(nn.Module):
    """From z [n, z_dim], and labels c [n, c_dim], to rows of w [n, rows, w_dim].

    Without rows it maps the labels of a discriminator to [n, w_dim], and has no average w. Only
    training changes `w_avg`.

    Source: Karras et al. 2018 (StyleGAN), section 2.
    """

    def __init__(self, config: MappingConfig, rows: int | None, scheme: Scheme) -> None:
        super().__init__()
        self.config, self.rows = config, rows
        embedded = 0
        if config.c_dim:
            concat = config.labels == "concat"
            embedded = config.z_dim if concat else config.w_dim
            inputs = config.bag or config.c_dim
            plain = Scheme(weight_gain=math.sqrt(inputs), equalized=False)  # N(0, 1), unscaled
            scheme_, bias = (plain, None) if concat else (LINEAR, 0.0)
            self.bag = (
                Bag(config.c_dim, config.bag, learns=config.bag_learns) if config.bag else None
            )
            self.embed = Dense(inputs, embedded, scheme_, bias=bias)
        widths = [config.z_dim + embedded, *[config.width] * (config.layers - 1), config.w_dim]
        for i in range(config.layers):
            layer = Dense(widths[i], widths[i + 1], scheme, lrmul=config.lrmul)
            self.add_module(f"fc{i}", layer)
        if rows is not None:
            self.w_avg: Tensor
            self.register_buffer("w_avg", torch.zeros(config.w_dim))

    @property
    def embedded(self) -> int:
        """How wide an embedded label is; 0 without labels."""
        return self.embed.weight.shape[0] if self.config.c_dim else 0

    def forward(
        self, z: Tensor | None, c: Tensor | None = None, blur: Tensor | None = None
    ) -> Tensor:
        """w, not truncated. z is None where z_dim is 0; labels of None are zeros.

        `blur` [n, embedded] is added to the embedded labels, in units of their root mean square.

        Raises ValueError if a width is not the config's.
        """
        config = self.config
        parts = []
        if z is not None:
            parts.append(check_width(z, config.z_dim, "latents"))
        if config.c_dim:
            if c is None:
                c = self.embed.weight.new_zeros(1 if z is None else z.shape[0], config.c_dim)
            parts.append(self._embedded(check_width(c, config.c_dim, "labels"), blur))
        if config.normalize and config.labels == "embed":
            parts = [ops.normalize(part) for part in parts]
        x = torch.cat(parts, 1)
        if config.normalize and config.labels == "concat":
            x = ops.normalize(x)
        for i in range(config.layers):
            x = getattr(self, f"fc{i}")(x)
        return x if self.rows is None else x[:, None].expand(-1, self.rows, -1)

    def _embedded(self, c: Tensor, blur: Tensor | None) -> Tensor:
        x: Tensor = self.embed(c if self.bag is None else self.bag(c))
        if blur is None:
            return x
        return x + blur * x.detach().square().mean(1, keepdim=True).sqrt()


def check_width(x: Tensor, width: int, what: str) -> Tensor:
    """x, if it is [n, width]; else a ValueError that names it as `what`."""
    if x.dim() != 2 or x.shape[1] != width:
        raise ValueError(f"{what} of shape {list(x.shape)}: the network takes [n, {width}]")
    return x
