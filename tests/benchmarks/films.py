"""Frames a second of `sgvideo walk`, beside the network alone and a script of the article's kind.

    pip install --target DIR --no-deps moviepy imageio imageio-ffmpeg proglog decorator tqdm python-dotenv
    PYTHONPATH=.:DIR .venv/bin/python tests/benchmarks/films.py [NETWORK [GRID [SECONDS]]]

"alone" draws the same pictures with the same sampler, in sgvideo's precision, and throws them away.
"script" draws a frame at a time with the plain network, in fp32, and gives it to moviepy, as the article's
program did. --no-deps, since moviepy wants an older Pillow. The three take turns; the ratios are those of
the best rounds.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from animetools.cli.cores import cores
from animetools.commands.sgvideo import VideoOptions, dtype_of
from animetools.films.making import Studio, frames, recipe_of, write_film
from animetools.films.options import FilmOptions, requests
from animetools.films.scenes import Scene
from animetools.images.sheet import sheet
from animetools.netfiles.fetch import locate
from animetools.sampling.options import SamplingOptions
from animetools.sampling.render import to_pixels
from animetools.sampling.sampler import Sampler
from animetools.sampling.seeds import Grid

ROUNDS = 2
CPU = torch.device("cpu")


def main() -> None:
    network, grid, seconds = (sys.argv[1:] + ["default", "2x2", "5"][len(sys.argv) - 1 :])[:3]
    options = VideoOptions(
        seconds=float(seconds), grid=Grid.parse(grid), bitrate=5_000_000, seed=404
    )
    (request,) = requests(options, ("walk",))
    dtype = dtype_of(options)
    sampler = Sampler(locate(network), SamplingOptions(), dtype, cores=cores()).opened()
    studio = Studio.opened(sampler, CPU, cores(), False)
    scene = studio.scene(request, lambda *_: None)
    next(scene.draw(0, 1))  # prepares the network
    folder = tempfile.mkdtemp()

    def alone() -> None:
        for _ in frames(scene):
            pass

    def film() -> None:
        recipe = recipe_of(request, scene, "{}")
        write_film(scene, os.path.join(folder, "film.mp4"), recipe, lambda *_: None)

    ways: dict[str, Callable[[], None]] = {"alone": alone, "sgvideo": film}
    try:
        import moviepy  # type: ignore[import-not-found]
    except ImportError:
        sys.stdout.write("moviepy is not installed: no script is measured\n")
    else:
        for threads in (cores(), 1):  # torch's own number, and what loses nothing to waiting
            ways[f"script, {threads} threads"] = partial(
                script, moviepy, sampler, scene, options, folder, threads
            )
    best = dict.fromkeys(ways, (float("inf"), float("inf")))
    for _ in range(ROUNDS):
        for name, way in ways.items():
            wall, used = time.perf_counter(), cpu()
            way()
            spent = time.perf_counter() - wall, cpu() - used
            sys.stdout.write(f"{name}: {spent[0]:.1f} s, {spent[1]:.1f} s of CPU\n")
            sys.stdout.flush()
            best[name] = min(spent[0], best[name][0]), min(spent[1], best[name][1])
    for name, (wall, used) in best.items():
        sys.stdout.write(
            f"{name:18} {scene.count / wall:7.1f} frames/s, {used / scene.count * 1000:6.1f} CPU ms a frame\n"
        )
    for name in [name for name in ways if name != "sgvideo"]:
        wall, used = (b / a for a, b in zip(best["sgvideo"], best[name], strict=True))
        sys.stdout.write(f"sgvideo is {wall:.2f} x as fast as {name}, {used:.2f} x by CPU time\n")


def script(
    moviepy: Any, sampler: Sampler, scene: Scene, options: FilmOptions, folder: str, threads: int
) -> None:
    """The article's program, in torch."""
    torch.set_num_threads(threads)
    generator, grid, fps = sampler.generator, options.grid, float(options.rate)
    assert grid
    z = np.random.RandomState(404).randn(scene.count, grid.size, generator.config.mapping.z_dim)

    def make_frame(t: float) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        latents = torch.from_numpy(z[int(np.clip(np.round(t * fps), 0, scene.count - 1))]).float()
        with torch.inference_mode():
            pixels = to_pixels(generator(latents, psi=0.7)).numpy()
        return sheet(pixels, grid.size, grid.columns)

    clip = moviepy.VideoClip(make_frame, duration=scene.count / fps)
    path = os.path.join(folder, "script.mp4")
    clip.write_videofile(path, fps=fps, codec="libx264", bitrate="5M", logger=None)
    torch.set_num_threads(1)


def cpu() -> float:
    """Seconds of all cores, those of finished processes among them."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
