"""What the generators of all families have in common."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from animetools.networks.config import GeneratorConfig
from animetools.networks.layers import Mapping

Noise = Literal["const", "random", "none"] | Sequence[Tensor]


class Generator(nn.Module):
    """Any generator: from z and labels to images.

    `truncated` is how many rows of w a truncation changes without a cutoff.
    """

    moves = False  # whether its synthesis takes a transform that moves and turns images

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
    def row_sizes(self) -> list[int]:
        """The pixels of a picture's longer side where each row of w takes part, from the lowest."""
        base = max(self.config.base)
        return [base << row // 2 for row in range(self.num_ws)]

    @property
    def row_names(self) -> list[str]:
        """What the rows of w are called beside their numbers, where a family has names for them."""
        return []

    @property
    def height(self) -> int:
        """Of an image, in pixels."""
        return self.config.image_size[0]

    @property
    def width(self) -> int:
        """Of an image, in pixels."""
        return self.config.image_size[1]

    @property
    def noise_shapes(self) -> list[tuple[int, int]]:
        """Height and width of each noise input, from the lowest layer upwards."""
        consts: Any = self.synthesis.noise_consts
        return [(const.shape[0], const.shape[1]) for const in consts]

    def truncate(self, ws: Tensor, psi: float | Tensor, cutoff: int | None = None) -> Tensor:
        """Interpolate the first rows of ws [n, num_ws, w_dim] to the average w; psi 1 changes nothing.

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

    Raises ValueError if noise is not a `Noise`, or its shapes differ from those of the stored noise.
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


def check_rows(ws: Tensor, rows: int, width: int) -> None:
    """Raise a ValueError if ws is not [n, rows, width]."""
    if ws.dim() != 3 or ws.shape[1:] != (rows, width):
        raise ValueError(f"ws of shape {list(ws.shape)}: the network takes [n, {rows}, {width}]")
