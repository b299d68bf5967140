"""The operations of a StyleGAN's layers: filters, modulated convolution, normalization.

All can be differentiated twice, on any device. Images may be in half precision while weights are
not: a layer computes in the precision of its input.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from animetools.networks.activation import scaled
from animetools.networks.convolution import Steps, convolve, spread


def low_pass(kernel: Sequence[float]) -> Tensor:
    """The square filter of a kernel, [m, m] of sum 1, float32 on the CPU."""
    # Not on the meta device while a module is built.
    taps = torch.tensor(kernel, dtype=torch.float32, device="cpu")
    return torch.outer(taps, taps) / taps.sum() ** 2


def resampling(kernel: Sequence[float]) -> Tensor:
    """The square filter of a change of size, [m, m] with m even.

    A kernel of odd length gets a zero in front, which changes no result and makes all paddings
    the same on both sides.
    """
    return low_pass([0.0, *kernel] if len(kernel) % 2 else kernel)


def blur(x: Tensor, taps: Tensor, padding: int | str, stride: int = 1) -> Tensor:
    """Convolve each channel of x [n, C, H, W] with taps [m, m]."""
    channels, size = x.shape[1], len(taps)
    kernel = taps.to(x.dtype).flip(0, 1).expand(channels, 1, size, size)
    around = size // 2 if padding == "same" else int(padding)
    return convolve(x, kernel, Steps(stride, around, channels))


def upsample(x: Tensor, taps: Tensor) -> Tensor:
    """Twice as high and wide: [n, C, H, W] to [n, C, 2H, 2W]; taps of `resampling`."""
    (channels, height, width), size = x.shape[1:], len(taps)
    kernel = 4 * taps.to(x.dtype).expand(channels, 1, size, size)
    return spread(x, kernel, Steps(2, size // 2 - 1, channels), (2 * height, 2 * width))


def downsample(x: Tensor, taps: Tensor) -> Tensor:
    """Half as high and wide: [n, C, H, W] to [n, C, H/2, W/2]; taps of `resampling`."""
    return blur(x, taps, len(taps) // 2 - 1, stride=2)


def conv(x: Tensor, weight: Tensor) -> Tensor:
    """A convolution [O, I, k, k] that keeps the size, bordered by zeros."""
    return convolve(x, weight.to(x.dtype), Steps(padding=weight.shape[-1] // 2))


def conv_up(x: Tensor, weight: Tensor, taps: Tensor) -> Tensor:
    """A transposed 3x3 convolution of stride 2, then the low-pass filter.

    x [n, I, H, W], weight [O, I, 3, 3]; returns [n, O, 2H, 2W]. The border is padded once, for
    both steps together.
    Source: Karras et al. 2019 (StyleGAN2), appendix B.
    """
    height, width = x.shape[2:]
    weight = weight.to(x.dtype).transpose(0, 1)
    x = spread(x, weight, Steps(2), (2 * height + 1, 2 * width + 1))
    return blur(x, 4 * taps, len(taps) // 2 - 1)


def conv_down(x: Tensor, weight: Tensor, taps: Tensor) -> Tensor:
    """The low-pass filter, then a 3x3 convolution of stride 2: [n, I, H, W] to [n, O, H/2, W/2]."""
    return convolve(blur(x, taps, len(taps) // 2), weight.to(x.dtype), Steps(2))


def modulated_conv(
    x: Tensor, weight: Tensor, style: Tensor, *, up: Tensor | None = None, demodulate: bool = True
) -> tuple[Tensor, Tensor | None]:
    """Convolve each image with its own style-scaled weights; the demodulation is left to do.

    x [n, I, H, W], weight [O, I, k, k], style [n, I]; returns [n, O, H, W], or [n, O, 2H, 2W] with
    `up`, the taps of the low-pass filter; and the demodulation [n, O], by which `activate`
    multiplies it (None without `demodulate`). The style scales the input and not the weights, which
    are then the same for the whole batch. Styles in float16 are scaled down first, which
    demodulation undoes, so that the sums stay finite.
    Source: Karras et al. 2019 (StyleGAN2), section 2.2, equations 1 to 3.
    """
    weight = weight / math.sqrt(weight[0].numel())
    if demodulate and x.dtype == torch.float16:
        style = style / style.abs().amax(1, keepdim=True).clamp_min(1e-4)
    x = scaled(x, style)
    x = conv(x, weight) if up is None else conv_up(x, weight, up)
    if not demodulate:
        return x, None
    power = in_float32(style).square() @ in_float32(weight).square().sum((2, 3)).T
    return x, (power + 1e-8).rsqrt()


def normalize(x: Tensor) -> Tensor:
    """Scale x along axis 1 to a mean square of 1.

    Source: Karras et al. 2018 (Progressive GAN), section 4.2.
    """
    return x * (in_float32(x).square().mean(1, keepdim=True) + 1e-8).rsqrt().to(x.dtype)


def normalize_instances(x: Tensor) -> Tensor:
    """Give each channel of each image of x [n, C, H, W] mean 0 and mean square 1.

    Source: Huang and Belongie 2017 (AdaIN), equation 5.
    """
    x = x - x.mean((2, 3), keepdim=True)
    return x * (in_float32(x).square().mean((2, 3), keepdim=True) + 1e-8).rsqrt().to(x.dtype)


def minibatch_deviation(x: Tensor, group: int | None, features: int) -> Tensor:
    """Append the standard deviation within groups to x [n, C, H, W]: [n, C + features, H, W].

    The images of a group are n / group apart in the batch; None is one group of all images. Each
    feature is the mean over a run of channels. An image alone has the deviation sqrt(1e-8).

    Raises ValueError if the batch is not a multiple of the group.
    Source: Karras et al. 2018 (Progressive GAN), section 3.
    """
    count, channels, height, width = x.shape
    members = count if group is None else min(group, count)
    if count % members:
        raise ValueError(f"a batch of {count} images does not divide into groups of {members}")
    runs = in_float32(x).reshape(members, -1, features, channels // features, height, width)
    variance = (runs - runs.mean(0)).square().mean(0)
    deviation = (variance + 1e-8).sqrt().mean((2, 3, 4)).to(x.dtype)
    return torch.cat(
        [x, deviation.repeat(members, 1)[:, :, None, None].expand(-1, -1, height, width)], 1
    )


def fade(image: Tensor | None, rgb: Tensor, amount: float) -> Tensor:
    """Blend a block's rgb [n, C, 2H, 2W] with the enlarged image [n, C, H, W] of the block below.

    Source: Karras et al. 2018 (Progressive GAN), figure 2.
    """
    if image is None or amount <= 0:
        return rgb
    return rgb.lerp(enlarge(image, 2), amount)


def enlarge(image: Tensor, factor: int) -> Tensor:
    """Repeat each pixel of [n, C, H, W] in both directions."""
    if factor == 1:
        return image
    return functional.interpolate(image, scale_factor=factor, mode="nearest")


HALVED = 4  # highest resolutions, which alone are in half precision


def in_precision(x: Tensor, precision: torch.dtype | None, upper: bool) -> Tensor:
    """x in this precision in the `HALVED` upper blocks, else in float32; None leaves it as it is.

    Source: Karras et al. 2020 (StyleGAN2-ADA), appendix D (mixed precision).
    """
    if precision is None:
        return x
    return x.to(precision) if upper else in_float32(x)


def in_float32(x: Tensor) -> Tensor:
    """x in float32 at least: half precision cannot hold squares and their sums."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
