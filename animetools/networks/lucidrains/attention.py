"""The attention of lucidrains' StyleGAN 2, in time linear in the pixels.

Shen et al. 2018, "Efficient Attention: Attention with Linear Complexities" (arXiv:1812.01243).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from animetools.networks.layers import Conv, Scheme, normal

HEADS, WIDTH = 8, 64  # of a head

LINEAR = Scheme(equalized=False)
BENT = Scheme("lrelu", equalized=False)


class Attention(nn.Module):
    """Attention of all pixels to each other, then two layers for each pixel; both are added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = HEADS * WIDTH
        self.norm0 = Norm(channels)
        self.query = Conv(channels, inner, 1, LINEAR, bias=False)
        self.around = nn.Parameter(normal(channels, 1, 3, 3, deviation=1 / 3))
        self.key_value = Conv(channels, 2 * inner, 1, LINEAR, bias=False)
        self.out = Conv(inner, channels, 1, LINEAR)
        self.norm1 = Norm(channels)
        self.wide = Conv(channels, 2 * channels, 1, BENT)
        self.narrow = Conv(2 * channels, channels, 1, LINEAR)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attended(self.norm0(x))
        y: Tensor = self.narrow(self.wide(self.norm1(x)))
        return x + y

    def attended(self, x: Tensor) -> Tensor:
        """Efficient attention: keys are summed up before any query. Source: section 3.2."""
        count, channels, height, width = x.shape
        near = functional.conv2d(x, self.around.to(x.dtype), padding=1, groups=channels)
        query, key, value = (
            part.reshape(count, HEADS, WIDTH, height * width)
            for part in (self.query(x), *self.key_value(near).chunk(2, 1))
        )
        context = torch.einsum("bhdn,bhen->bhde", key.softmax(3), value)
        query = query.softmax(2) * WIDTH**-0.5
        x = torch.einsum("bhdn,bhde->bhen", query, context)
        x = functional.gelu(x.reshape(count, HEADS * WIDTH, height, width))
        x = self.out(x)
        return x


class Norm(nn.Module):
    """Mean 0 and variance 1 over the channels of each pixel, then a gain and a bias for each."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        x = functional.layer_norm(x, x.shape[3:], self.gain, self.bias, 1e-5)
        return x.permute(0, 3, 1, 2)
