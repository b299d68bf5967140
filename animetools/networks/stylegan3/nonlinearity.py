"""StyleGAN 3's activation: at a higher sampling rate, between two low-pass filters.

Karras et al. 2021 (arXiv:2106.12423), section 3.1 and appendix D. What training differentiates: the
generator's loss, once. Path lengths would differentiate the generator twice, which StyleGAN 3 does
without, and which is right here too: a filter's derivatives of any order are filters of the same two
kinds. R1 differentiates the discriminator twice, which is StyleGAN 2's and has no such activation.
"""

import math

from torch import Tensor
from torch.nn import functional

from animetools.networks.activation import activate
from animetools.networks.convolution import Steps, convolve, spread
from animetools.networks.stylegan3.config import Resampled

GAIN = math.sqrt(2)  # of every activation


def filtered(
    x: Tensor, shape: Resampled, up: Tensor | None, down: Tensor | None, clamp: float | None
) -> Tensor:
    """x [n, C, size, size] to [n, C, out, out], in x's precision: raised, activated, lowered.

    `up` [taps] and `down` [taps], or [taps, taps] if it is not separable, are the filters; None is
    no filter. They get no gradients.
    """
    x = _raised(x, shape, up)
    x = activate(x, None, "lrelu", GAIN, None if clamp is None else clamp / GAIN)
    return _lowered(x, shape, down)


def _raised(x: Tensor, shape: Resampled, taps: Tensor | None) -> Tensor:
    """At the higher rate: samples spread among zeros, padded or cropped, and filtered."""
    before, after = shape.before, shape.inner - shape.before - x.shape[3]
    if taps is not None:
        up, length, channels = shape.up, len(taps), x.shape[1]
        full = (shape.size - 1) * up + length
        before -= length - 1
        after = shape.inner - full - before
        crop = max(0, min(-before, -after))  # nothing is made that the padding takes away
        side, before, after = full - 2 * crop, before + crop, after + crop
        kernel = (taps * up).to(x.dtype).expand(channels, 1, 1, length)
        across, down = Steps((1, up), (0, crop), channels), Steps((up, 1), (crop, 0), channels)
        x = spread(x, kernel, across, (shape.size, side))
        x = spread(x, kernel.transpose(2, 3), down, (side, side))
    return functional.pad(x, (before, after, before, after)) if before or after else x


def _lowered(x: Tensor, shape: Resampled, taps: Tensor | None) -> Tensor:
    """At the output's rate: filtered, then every down-th sample."""
    if taps is None:
        return x
    down, channels = shape.down, x.shape[1]
    if taps.dim() == 2:
        return convolve(x, taps.to(x.dtype).expand(channels, 1, -1, -1), Steps(down, 0, channels))
    kernel = taps.to(x.dtype).expand(channels, 1, 1, -1)
    x = convolve(x, kernel, Steps((1, down), 0, channels))
    return convolve(x, kernel.transpose(2, 3), Steps((down, 1), 0, channels))
