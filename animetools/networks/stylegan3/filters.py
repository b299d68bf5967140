"""The low-pass filters of StyleGAN 3, designed in float64.

Source: Karras et al. 2021, "Alias-Free Generative Adversarial Networks" (arXiv:2106.12423),
appendix C (Kaiser windows, jinc filters).
"""

import numpy as np
from numpy.typing import NDArray

Taps = NDArray[np.float64]


def kaiser(taps: int, width: float) -> Taps:
    """The Kaiser window for a transition of `width`, as a share of half the sampling rate."""
    attenuation = 2.285 * (taps - 1) * np.pi * width + 7.95
    beta = 0.0
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    elif attenuation > 21:
        beta = 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    return np.kaiser(taps, beta)


def low_pass(
    taps: int, cutoff: float, half_width: float, rate: float, *, radial: bool = False
) -> NDArray[np.float32]:
    """A low-pass filter of sum 1: [taps], or where it is radial [taps, taps].

    `cutoff` and `half_width` of the transition are in the unit of `rate`.
    """
    window = kaiser(taps, 2 * half_width / (rate / 2))
    places = np.arange(taps) - (taps - 1) / 2
    if not radial:
        made = np.sinc(2 * cutoff / rate * places) * window
    else:
        from scipy.special import j1

        x = places / rate
        r = np.hypot(*np.meshgrid(x, x))
        r[r == 0] = 1e-9 / rate  # the limit in the middle of an odd number of taps
        made = j1(2 * np.pi * cutoff * r) / (np.pi * r) * np.outer(window, window)
    return np.asarray(made / made.sum(), np.float32)
