"""What a figure costs beside its pictures: CPU seconds against the synthesis alone, in the same run.

    PYTHONPATH=. nice .venv/bin/python tests/benchmarks/figures.py [RESOLUTION]

Without a resolution, with the network that ships; else with random weights in the shape of
StyleGAN 2's config-f. The synthesis draws the same inputs again, mapped and truncated before. The
rest is mapping, layout, labels and the PNG file. The better of two rounds, taken in turn.
"""

import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from animetools.images.described import encode_described
from animetools.images.files import Pixels
from animetools.netfiles import checkpoints
from animetools.netfiles.fetch import SHIPPED
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.networks.config import MappingConfig
from animetools.networks.stylegan2 import modules as stylegan2
from animetools.networks.stylegan2.config import StyleGAN2GeneratorConfig
from animetools.sampling.figure import Draw, compose
from animetools.sampling.figure_options import FigureOptions
from animetools.sampling.figures import figure_of
from animetools.sampling.latents import SynthesisInput
from animetools.sampling.sampler import Sampler

KINDS = ("uncurated", "mixing", "noise", "truncation", "interpolation", "clusters")
ROUNDS = 2


@dataclass(frozen=True)
class Noting(Draw):
    """Draws, and notes what."""

    inputs: list[SynthesisInput] = field(default_factory=list)

    def __call__(self, inputs: Iterable[SynthesisInput]) -> Iterator[Pixels]:
        """The picture of each input."""

        def noted() -> Iterator[SynthesisInput]:
            for each in inputs:
                self.inputs.append(each)
                yield each

        return super().__call__(noted())


def network(resolution: int, path: Path) -> str:
    """A file of a network of random weights."""
    torch.manual_seed(0)
    channels = tuple(min(32768 >> i, 512) for i in range(2, int(math.log2(resolution)) + 1))
    config = StyleGAN2GeneratorConfig(MappingConfig(), channels)
    saved = SavedNetwork(config, stylegan2.Generator(config).state_dict())
    checkpoints.write(str(path), NetworkFile("animetools", {"G_ema": saved}, {}))
    return str(path)


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of all threads."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Measure every kind."""
    with tempfile.TemporaryDirectory() as folder:
        path = network(int(sys.argv[1]), Path(folder) / "n.pkl") if len(sys.argv) > 1 else SHIPPED
        for kind in KINDS:
            count = {"clusters": 64, "noise": 20}.get(kind)
            options = replace(FigureOptions(), count=count) if count else FigureOptions()
            measure(path, kind, options.of_kind(kind, has_files=False))


def measure(path: str, kind: str, options: FigureOptions) -> None:
    """Print the share of one kind."""
    sampler = Sampler(path, options, cores=torch.get_num_threads()).opened()
    draw = Noting(sampler, torch.device("cpu"))
    figure = figure_of(kind, sampler, options, [], [])
    compose(figure, draw)  # once before: the network is prepared
    inputs = list(draw.inputs)

    def whole() -> None:
        again = figure_of(kind, sampler, options, [], [])
        encode_described(compose(again, Draw(sampler, torch.device("cpu"))), "png", 95, kind)

    alone = Draw(sampler, torch.device("cpu"))
    rounds = [(seconds(whole), seconds(lambda: list(alone(inputs)))) for _ in range(ROUNDS)]
    all_of_it, synthesis = (min(column) for column in zip(*rounds, strict=True))
    sys.stdout.write(
        f"{kind}: {all_of_it:.2f} s, synthesis of its {len(inputs)} pictures {synthesis:.2f} s:"
        f" {synthesis / all_of_it:.0%}\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
