"""The layers of a new StyleGAN 3: cutoffs grow geometrically from the input to the image.

Source: Karras et al. 2021 (arXiv:2106.12423), section 3.2 and appendix F.
"""

import math

from animetools.networks.config import MappingConfig
from animetools.networks.stylegan3.config import LayerConfig, StyleGAN3GeneratorConfig

LAYERS, CRITICAL = 14, 2  # without the ToRGB; the last ones, which are sampled without headroom
FIRST_CUTOFF, FIRST_STOPBAND, LAST_STOPBAND = 2.0, 2**2.1, 2**0.3
MARGIN = 10  # samples around the image
TAPS, LRELU_UPSAMPLING = 6, 2
CHANNEL_BASE, CHANNEL_MAX = 32768, 512


def config_of(
    size: int,
    mapping: MappingConfig,
    *,
    radial: bool = False,
    image_channels: int = 3,
    channel_base: int = 0,
    channel_max: int = 0,
) -> StyleGAN3GeneratorConfig:
    """Config T, or with `radial` config R, for images of size x size pixels, a power of 2.

    Without channels they are the paper's: those of R are doubled.
    """
    base = channel_base or CHANNEL_BASE * (1 + radial)
    most = channel_max or CHANNEL_MAX * (1 + radial)
    layers: list[LayerConfig] = []
    channels = []
    for i in range(LAYERS + 1):
        share = min(i / (LAYERS - CRITICAL), 1)
        cutoff = FIRST_CUTOFF * (size / 2 / FIRST_CUTOFF) ** share
        stopband = FIRST_STOPBAND * (size / 2 * LAST_STOPBAND / FIRST_STOPBAND) ** share
        rate = 1 << math.ceil(math.log2(min(2 * stopband, size)))
        last, before = i == LAYERS, layers[-1].rate if layers else rate
        inner = max(before, rate) * (1 if last else LRELU_UPSAMPLING)
        up, down = inner // before, inner // rate
        layers.append(
            LayerConfig(
                size=size if i >= LAYERS - 1 else rate + 2 * MARGIN,
                rate=rate,
                cutoff=cutoff,
                half_width=max(stopband, rate / 2) - cutoff,
                up=up,
                down=down,
                up_taps=1 if last else TAPS * up,
                down_taps=1 if last else TAPS * down,
                radial=radial and i < LAYERS - CRITICAL,
            )
        )
        channels.append(image_channels if last else round(min(base / 2 / cutoff, most)))
    first = layers[0]
    return StyleGAN3GeneratorConfig(
        mapping,
        tuple(channels),
        tuple(layers),
        input_size=first.size,
        input_rate=float(first.rate),
        bandwidth=first.cutoff,
        image_channels=image_channels,
        conv_size=1 if radial else 3,
    )
