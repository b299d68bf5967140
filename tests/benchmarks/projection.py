"""How well and how fast sgproject finds latents, beside a projector like that of StyleGAN2-ADA.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/projection.py [--network FILE] [--own 20] \
        [--peer 4] [--faces FOLDER] [--sheet SHEET.png] [OPTION=VALUE,... ...]

The pictures are samples of the network (psi 1) and, with --faces, files that it never saw. Every
OPTION=VALUE,... is one more way to set sgproject's options, such as way=both,space=w. Prints for
each way the PSNR, the distance by the discriminator's features, of samples also the distance of w
(root mean square, in units of the deviation of w), and the CPU seconds a picture, on one thread.
The peer, written from the paper (Karras et al. 2019, appendix D), compares pixels alone: Adam in w
from the mean, 1,000 steps, rate 0.1 with its ramps, noise added to w that fades. It gets the first
--peer pictures of each kind, since it takes long; what sgproject makes of the same is printed too.
"""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from animetools.images.files import encode_png, read_rgb
from animetools.images.sheet import sheet
from animetools.inversion.loss import feature_distance, of_discriminator
from animetools.inversion.network import ProjectingNetwork
from animetools.inversion.options import ProjectionOptions
from animetools.inversion.pictures import Pixels, psnr, target_of
from animetools.inversion.project import Projector
from animetools.inversion.projection import Projection
from animetools.inversion.start import measured
from animetools.netfiles.fetch import locate
from animetools.options import options_of
from animetools.sampling.latents import Latent, w_of
from animetools.sampling.render import to_pixels
from animetools.sampling.sampler import open_network

CPU = torch.device("cpu")
PEER_STEPS = 1000
WAYS = "way=optimize", "way=encode", "way=both"


def plain(path: str, target: Pixels) -> tuple[Pixels, torch.Tensor]:
    """The peer: the picture that it finds, and its w [w_dim]."""
    opened = open_network(path)
    generator, space = opened.generator, measured(opened.generator, opened.labels(), 0)
    wanted = torch.from_numpy(target)[None].float() * (2 / 255) - 1
    w = space.mean.clone().requires_grad_()
    adam = torch.optim.Adam([w], betas=(0.9, 0.999))
    stream = torch.Generator().manual_seed(0)
    for step in range(PEER_STEPS):
        t = step / PEER_STEPS
        down = 0.5 - 0.5 * math.cos(math.pi * min(1, (1 - t) / 0.25))
        adam.param_groups[0]["lr"] = 0.1 * down * min(1, t / 0.05)
        strength = 0.05 * space.deviation * max(0, 1 - t / 0.75) ** 2
        noisy = w + strength * torch.randn(w.shape, generator=stream)
        image = generator.synthesis(noisy.expand(1, generator.num_ws, -1))
        adam.zero_grad()
        (image - wanted).square().mean().backward()
        adam.step()
    with torch.no_grad():
        image = generator.synthesis(w.expand(1, generator.num_ws, -1))
    return to_pixels(image).numpy()[0].transpose(2, 0, 1), w.detach()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--network", default="default")
    parser.add_argument("--own", type=int, default=20)
    parser.add_argument("--peer", type=int, default=4)
    parser.add_argument("--faces", default="")
    parser.add_argument("--sheet", default="")
    parser.add_argument("ways", nargs="*")
    told = parser.parse_args()
    torch.set_num_threads(1)
    path = locate(told.network)
    opened = open_network(path)
    generator, labels = opened.generator, opened.labels()
    deviation = measured(generator, labels, 0).deviation
    features = None
    if discriminator := ProjectingNetwork(path, ProjectionOptions()).discriminator():
        features = of_discriminator(discriminator)

    latents = [Latent(seed) for seed in range(told.own)]
    c = [None if labels is None else torch.from_numpy(labels.of([each])) for each in latents]
    own = [w_of(generator, latent, label) for latent, label in zip(latents, c, strict=True)]
    with torch.no_grad():
        drawn = [to_pixels(generator.synthesis(w)).numpy()[0].transpose(2, 0, 1) for w in own]
    files = sorted(Path(told.faces).rglob("*.png")) if told.faces else []
    unseen = [target_of(read_rgb(str(file)), generator.config) for file in files]
    columns: list[list[Pixels]] = [drawn[:4] + unseen[:8]]

    @torch.no_grad()
    def distance(one: Pixels, other: Pixels) -> float:
        if not features:
            return math.nan
        both = [torch.from_numpy(each)[None].float() * (2 / 255) - 1 for each in (one, other)]
        return float(feature_distance(*(list(features(each)) for each in both)))

    def measure(name: str, find: Callable[[Pixels], tuple[Pixels, Any]], most: int) -> None:
        made: dict[str, list[Pixels]] = {}
        for kind, targets in (("samples", drawn[:most]), ("unseen", unseen[:most])):
            if not targets:
                continue
            began = time.process_time()
            found = [find(target) for target in targets]
            seconds = (time.process_time() - began) / len(targets)
            made[kind] = [pixels for pixels, _ in found]
            pairs = list(zip(made[kind], targets, strict=True))
            line = f"{name:34} {kind:7} {len(targets):3}"
            line += f"  PSNR {np.mean([psnr(*pair) for pair in pairs]):5.2f}"
            line += f" (worst {min(psnr(*pair) for pair in pairs):5.2f})"
            line += f"  features {np.mean([distance(*pair) for pair in pairs]):.4f}"
            line += f"  {seconds:6.2f} s"
            if kind == "samples":
                away = [
                    float((torch.as_tensor(w) - true).square().mean().sqrt()) / deviation
                    for (_, w), true in zip(found, own, strict=False)
                ]
                line += f"  w {np.mean(away):.3f}"
            print(line, flush=True)
        columns.append(made.get("samples", [])[:4] + made.get("unseen", [])[:8])

    if told.peer:
        measure(f"peer, Adam {PEER_STEPS}", lambda target: plain(path, target), told.peer)
    known = {option.name: option for option in options_of(ProjectionOptions)}
    for way in told.ways or WAYS:
        words = [word.partition("=")[::2] for word in way.split(",") if word]
        options = ProjectionOptions(**{key: known[key].parse(value) for key, value in words})
        search = Projector(ProjectingNetwork(path, options).resolved(), CPU)

        def find(target: Pixels, search: Projector = search) -> tuple[Pixels, Any]:
            (found,) = search([target])
            assert isinstance(found, Projection)
            return found.drawn, found.values

        if told.peer:
            measure(f"sgproject {way}", find, told.peer)
        if not told.peer or told.own > told.peer:
            measure(f"sgproject {way}", find, max(told.own, len(unseen)))
    if told.sheet:
        shown = [column for column in columns if len(column) == len(columns[0])]
        tiles = [column[row].transpose(1, 2, 0) for row in range(len(shown[0])) for column in shown]
        Path(told.sheet).write_bytes(encode_png(sheet(tiles, len(tiles), len(shown))))


if __name__ == "__main__":
    main()
