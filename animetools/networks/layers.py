"""What the networks of both generations are made of."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from animetools.networks import ops
from animetools.networks.activation import activate
from animetools.networks.config import GeneratorConfig, MappingConfig, image_size

Noise = Literal["const", "random", "none"] | Sequence[Tensor]


@dataclass(frozen=True)
class Scheme:
    """How layers scale and bend their numbers, the same in a whole network.

    `weight_gain` belongs to the weights (StyleGAN 1), `output_gain` to the activation (StyleGAN 2).
    """

    activation: str = "linear"
    weight_gain: float = 1.0
    output_gain: float = 1.0
    equalized: bool = True
    clamp: float | None = None

    def scales(self, fan_in: int, lrmul: float = 1.0) -> tuple[float, float]:
        """The deviation of a new weight, and the factor of a stored one when it is used.

        Source: Karras et al. 2018 (Progressive GAN), section 4.1 (equalised learning rate).
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
    """New numbers of torch's generator; none are drawn on the meta device, which loads slowly."""
    value = torch.empty(shape)
    return value if value.is_meta else value.normal_(0, deviation)


class Dense(nn.Module):
    """[n, inputs] to [n, outputs]. `bias` is its initial value; None is none."""

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


class Mapping(nn.Module):
    """From z [n, z_dim], and labels c [n, c_dim], to rows of w [n, rows, w_dim].

    Without rows it maps the labels of a discriminator to [n, w_dim], and keeps no average.
    `w_avg` is moved by the trainer only.
    Source: Karras et al. 2018 (StyleGAN), section 2.
    """

    def __init__(self, config: MappingConfig, rows: int | None, scheme: Scheme) -> None:
        super().__init__()
        self.config, self.rows = config, rows
        embedded = 0
        if config.c_dim:
            concat = config.labels == "concat"
            embedded = config.z_dim if concat else config.w_dim
            plain = Scheme(
                weight_gain=math.sqrt(config.c_dim), equalized=False
            )  # N(0, 1), as it is
            scheme_, bias = (plain, None) if concat else (LINEAR, 0.0)
            self.embed = Dense(config.c_dim, embedded, scheme_, bias=bias)
        widths = [config.z_dim + embedded, *[config.width] * (config.layers - 1), config.w_dim]
        for i in range(config.layers):
            layer = Dense(widths[i], widths[i + 1], scheme, lrmul=config.lrmul)
            self.add_module(f"fc{i}", layer)
        if rows is not None:
            self.w_avg: Tensor
            self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: Tensor | None, c: Tensor | None = None) -> Tensor:
        """Untruncated; z is None where z_dim is 0, labels that are left out are zeros.

        Raises ValueError if a width is not the config's.
        """
        config = self.config
        parts = []
        if z is not None:
            parts.append(check_width(z, config.z_dim, "latents"))
        if config.c_dim:
            if c is None:
                c = self.embed.weight.new_zeros(1 if z is None else z.shape[0], config.c_dim)
            parts.append(self.embed(check_width(c, config.c_dim, "labels")))
        if config.normalize and config.labels == "embed":
            parts = [ops.normalize(part) for part in parts]
        x = torch.cat(parts, 1)
        if config.normalize and config.labels == "concat":
            x = ops.normalize(x)
        for i in range(config.layers):
            x = getattr(self, f"fc{i}")(x)
        return x if self.rows is None else x[:, None].expand(-1, self.rows, -1)


class AnyGenerator(nn.Module):
    """What the generators of both generations have in common: from z and labels to images.

    `truncated` is how many rows of w a truncation changes where no cutoff says so.
    """

    def __init__(
        self, config: GeneratorConfig, mapping: Mapping, synthesis: nn.Module, truncated: int
    ) -> None:
        super().__init__()
        self.config, self.mapping, self.synthesis = config, mapping, synthesis
        self.truncated = truncated

    @property
    def num_ws(self) -> int:
        """How many rows of w the synthesis takes."""
        assert self.mapping.rows is not None
        return self.mapping.rows

    @property
    def height(self) -> int:
        """Of an image, in pixels."""
        return image_size(self.config)[0]

    @property
    def width(self) -> int:
        """Of an image, in pixels."""
        return image_size(self.config)[1]

    @property
    def noise_shapes(self) -> list[tuple[int, int]]:
        """Height and width of each noise input, from the lowest layer upwards."""
        consts: Any = self.synthesis.noise_consts
        return [(const.shape[0], const.shape[1]) for const in consts]

    def truncate(self, ws: Tensor, psi: float | Tensor, cutoff: int | None = None) -> Tensor:
        """Draw the first rows of ws [n, num_ws, w_dim] to the average w; psi 1 changes nothing.

        Source: Karras et al. 2018 (StyleGAN), appendix B.
        """
        rows = self.truncated if cutoff is None else max(cutoff, 0)
        return torch.cat([self.mapping.w_avg.lerp(ws[:, :rows], psi), ws[:, rows:]], 1)

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        psi: float | Tensor = 1.0,
        cutoff: int | None = None,
        noise: Noise = "const",
    ) -> Tensor:
        """z [n, z_dim], labels c [n, c_dim] to images [n, C, H, W], about -1..1, not clipped."""
        images: Tensor = self.synthesis(self.truncate(self.mapping(z, c), psi, cutoff), noise)
        return images


def noises_of(noise: Noise, consts: Sequence[Tensor], count: int) -> Sequence[Tensor | None]:
    """A noise input for each layer, which broadcasts to [count, C, H, W].

    Raises ValueError if noise is not what `Noise` says, or of other shapes than the stored consts.
    """
    if noise == "const":
        return consts
    if noise == "none":
        return [None] * len(consts)
    if noise == "random":
        return [torch.randn_like(const.expand(count, 1, -1, -1)) for const in consts]
    if isinstance(noise, str) or len(noise) != len(consts):
        raise ValueError(f"noise is const, random, none, or {len(consts)} tensors")
    for given, const in zip(noise, consts, strict=True):
        if given.shape not in [(n, 1, *const.shape) for n in (1, count)]:
            raise ValueError(
                f"noise of shape {list(given.shape)} for a layer of {list(const.shape)}"
            )
    return [given.to(const) for given, const in zip(noise, consts, strict=True)]


def check_width(x: Tensor, width: int, what: str) -> Tensor:
    """x [n, width], or a ValueError that says what is not as wide as that."""
    if x.dim() != 2 or x.shape[1] != width:
        raise ValueError(f"{what} of shape {list(x.shape)}; the network takes [n, {width}]")
    return x


def check_rows(ws: Tensor, rows: int, width: int) -> None:
    """Raise a ValueError if ws is not [n, rows, width]."""
    if ws.dim() != 3 or ws.shape[1:] != (rows, width):
        raise ValueError(f"ws of shape {list(ws.shape)}; the network takes [n, {rows}, {width}]")
