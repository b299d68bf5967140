"""How fast two ranks of one thread train beside one process of two threads, in pairs of one run.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/ranks.py [--pairs 5] [--size 64] [--batch 16]

Both train the networks of `ada` with R1, path lengths and ADA for as many iterations, in turn. CPU
seconds are those of all threads and processes. Other work on the machine slows both, so the ratio
is the median of pairs.
"""

import argparse
import os
import resource
import statistics
import time
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection

import torch

from animetools.cli.cores import limit_libraries
from animetools.training.architecture import networks
from animetools.training.augment import Ada
from animetools.training.config import preset
from animetools.training.gan import GAN
from animetools.training.networks import new_networks
from animetools.training.ranks import Ranks, joined
from tests.training.groups import environments

STEPS = 4  # a regularization of the generator among them


def spent() -> float:
    """CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def learner(ranks: Ranks, options: argparse.Namespace) -> GAN:
    """Networks that begin to learn."""
    config = replace(
        preset("ada", options.size), batch=f"{options.batch}", channel_base=options.base, p=0.2
    )
    pair = networks(config, options.size, options.size, 3, 0)
    return GAN(*new_networks(*pair, 0), config, augment=Ada(ranks=ranks), ranks=ranks)


def work(
    environment: dict[str, str], threads: int, options: argparse.Namespace, pipe: Connection
) -> None:
    """Learn for some steps whenever asked; answers wall and CPU seconds."""
    torch.set_num_threads(threads)
    with joined(environment, lambda reason, status: os._exit(status)) as ranks:
        gan = learner(ranks, options)
        images = options.batch // ranks.count
        reals = torch.rand(images, 3, options.size, options.size) * 2 - 1
        gan.step(reals)
        while pipe.recv():
            start, before = time.perf_counter(), spent()
            for _ in range(STEPS):
                gan.step(reals)
            pipe.send((time.perf_counter() - start, spent() - before))
        if not ranks.leads:
            ranks.hear()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--base", type=int, default=4096)
    options = parser.parse_args()
    limit_libraries()  # as sgtrain does
    context = get_context("spawn")

    def begin(environment: dict[str, str], threads: int) -> Connection:
        ours, theirs = context.Pipe()
        context.Process(target=work, args=(environment, threads, options, theirs)).start()
        return ours

    teams = {
        "two ranks of one thread": [begin(each, 1) for each in environments(2)],
        "one process of two threads": [begin({}, 2)],
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in teams}
    for _ in range(options.pairs):
        for name, team in teams.items():
            for pipe in team:
                pipe.send(True)
            found = [pipe.recv() for pipe in team]
            scale = 1000 / (options.batch * STEPS)  # of a kimg
            wall, cpu = max(each[0] for each in found), sum(each[1] for each in found)
            seconds[name].append((scale * wall, scale * cpu))
    for team in teams.values():
        for pipe in team:
            pipe.send(False)
    for name, found in seconds.items():
        wall, cpu = (statistics.median(each[kind] for each in found) for kind in (0, 1))
        print(f"{name}: {wall:.0f} s/kimg, {cpu:.0f} CPU s/kimg")
    first, second = seconds.values()
    for kind, word in enumerate(("wall clock", "CPU seconds")):
        ratios = sorted(one[kind] / other[kind] for one, other in zip(first, second, strict=True))
        print(
            f"{word}: two ranks need {statistics.median(ratios):.2f} of one process"
            f" ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
