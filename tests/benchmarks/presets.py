"""What a kimg of StyleGAN 3 costs beside one of `ada`, on a CPU, in one run.

.venv/bin/python -m tests.benchmarks.presets [--size 32] [--base 2048] [--most 64]

Networks of the same channels, or for config R twice as many of the generator's, learn from the same
random images, with ADA at p 0.2. Each phase is timed alone, in CPU seconds, and a kimg is made up of
them. Prints seconds of each phase for an image, seconds for a kimg, and how many times those of `ada`
they are.
"""

import argparse
from dataclasses import replace

import torch

from animetools.training.architecture import networks
from animetools.training.augment import Ada
from animetools.training.config import Preset, preset
from animetools.training.gan import GAN
from animetools.training.networks import new_networks
from tests.benchmarks.training import phases, seconds

PRESETS: tuple[Preset, ...] = ("ada", "s3t", "s3r")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--base", type=int, default=2048)
    parser.add_argument("--most", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    first = 0.0
    for name in PRESETS:
        config = preset(name, given.size)
        more = 2 if config.radial else 1
        config = replace(
            config,
            batch=f"{given.batch}",
            channel_base=more * given.base,
            channel_max=more * given.most,
            latent=given.most,
            p=0.2,
        )
        pair = new_networks(*networks(config, given.size, given.size, 3, 0), 0)
        gan = GAN(*pair, config, augment=Ada())
        reals = torch.rand(given.batch, 3, given.size, given.size) * 2 - 1
        total, said = 0.0, []
        for phase, (work, interval) in phases(gan, reals).items():
            work()  # caches, and pages
            spent = seconds(work, given.times) / given.batch
            total += spent / interval
            said.append(f"{phase} {spent:.4f}")
        first = first or total
        print(f"{name}: {', '.join(said)}; {1000 * total:.0f} s/kimg, {total / first:.1f} x ada")


if __name__ == "__main__":
    main()
