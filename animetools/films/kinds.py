"""The films of one network: each kind is a way of faces through w."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from animetools.editing.grammar import Edits
from animetools.errors import FatalError
from animetools.films.options import NO_DIRECTIONS, edits_of
from animetools.films.paths import Floats, along, circle, eight, legs, to_and_fro
from animetools.films.scenes import Faces, Stage, blocks
from animetools.films.sound import speeds
from animetools.films.source import Source, faces_of
from animetools.films.steps import Places, even_steps
from animetools.images.files import Pixels
from animetools.netfiles.classes import lists_of, mean_labels
from animetools.networks.stylegan3.transform import transform_of
from animetools.sampling.latents import Latent, slerp, w_of, z_of
from animetools.sampling.layers import thirds
from animetools.sampling.seeds import MOST_ON_A_SHEET, Seeds, is_seeds

FIXED = Seeds.parse("700")  # the fixed face of the article's film


def film_of_walk(source: Source) -> Faces:
    """Faces that wander through z, smoothly and in a loop."""
    seeds, grid = faces_of(source.options)
    stage, count = source.in_grid(seeds, grid), source.options.count()
    z, labels = source.walk(count, grid.size), source.labels_on_a_walk(seeds, count)
    return Faces(
        stage,
        count,
        lambda first, end: source.w(z[first:end], labels(np.arange(first, end, dtype=np.float64))),
    )


def film_of_music(source: Source) -> Faces:
    """A walk whose speed follows the loudness and the onsets of a sound."""
    options = source.options
    speed = speeds(source.request.arguments[0], options.rate, options.seconds)
    seeds, grid = faces_of(options)
    stage, count = source.in_grid(seeds, grid), len(speed)
    z, labels = source.walk(count, grid.size), source.labels_on_a_walk(seeds, count)
    places = np.cumsum(speed) - speed[0]

    def ws(first: int, end: int) -> Tensor:
        now = places[first:end]
        return source.w(along(z, now), labels(now))

    return Faces(stage, count, ws)


def film_of_styles(source: Source) -> Faces:
    """Fixed faces, whose coarse or fine layers follow a walk.

    For coarse the fixed faces stand above and the walk to the left, as in the article's film.
    Raises FatalError for a network of too few layers.
    """
    options, is_coarse = source.options, source.request.kind == "coarse"
    try:
        coarse, _, fine = thirds(source.sampler.generator.row_sizes)
    except ValueError as why:
        raise FatalError(str(why)) from None
    chosen = coarse if is_coarse else fine
    rows = slice(chosen.first, chosen.last + 1)
    seeds, grid = faces_of(replace(options, seeds=options.seeds or FIXED))
    faces = list(map(source.face, seeds))
    if is_coarse:
        mixed = range(1, len(faces) + 1)
        stage = source.stage([options.seed, *seeds], [None, *faces, 0, *mixed], len(faces) + 1)
    else:
        stage = source.in_grid(seeds, grid)
    own, count = torch.cat([face.ws for face in faces]), options.count()
    z, labels = source.walk(count, 1), source.labels_on_a_walk([options.seed], count)

    def ws(first: int, end: int) -> Tensor:
        way = source.w(z[first:end], labels(np.arange(first, end, dtype=np.float64)))
        mixed = own.repeat(end - first, 1, 1, 1)
        mixed[:, :, rows] = way[:, :, rows]
        return torch.cat([way, mixed], 1) if is_coarse else mixed

    return Faces(stage, count, ws)


def film_of_circle(source: Source) -> Faces:
    """Faces on a circle in z, where each frame changes the picture by as much."""
    seeds, grid = faces_of(source.options)
    stage, count = source.in_grid(seeds, grid), source.options.count()
    labels = source.labels_on_a_walk(seeds, count)
    one, other = circle(source.options.seed, grid.size, source.z_dim)

    def ws(places: Places) -> Tensor:
        angle = 2 * np.pi * places[:, None, None]
        z = (np.cos(angle) * one + np.sin(angle) * other).astype(np.float32)
        return source.w(z, labels(places * count))

    def film(on: Stage, places: Places) -> Faces:
        return Faces(on, count, lambda first, end: ws(places[first:end]))

    plain = replace(stage, enlarge=None)

    def draw(places: Places) -> Iterator[Pixels]:
        for first, end in blocks(count, plain.size):
            yield from film(plain, places).draw(first, end)

    return film(stage, even_steps(draw, count, source.tell))


@dataclass(frozen=True)
class Point:
    """A face on the way: its seed, its tags, or None for those that it has by itself, and its edits."""

    seed: int
    tags: str | None
    edits: Edits | None = None


def points(words: tuple[str, ...], seed: int) -> list[Point]:
    """The faces that words name: a seed keeps the tags of the face before, tags keep its seed.

    5+smile=2 is edited. Raises FatalError for fewer than two, or too many.
    """
    found: list[Point] = []
    for word in words:
        last = found[-1] if found else Point(seed, None)
        seed_of, is_edited, edits = word.partition("+")
        if not is_seeds(seed_of):
            found.append(replace(last, tags=word))
            continue
        try:
            seeds = Seeds.parse(seed_of)
        except ValueError as why:
            raise FatalError(str(why)) from None
        if seeds.count > MOST_ON_A_SHEET:
            raise FatalError(f"{word} are more faces than {MOST_ON_A_SHEET:,}")
        changed = edits_of(edits) if is_edited else None
        found += [replace(last, seed=each, edits=changed) for each in seeds]
    if len(found) < 2:
        raise FatalError("between needs two faces or more, such as: sgvideo between 5 9")
    return found


def film_between(source: Source) -> Faces:
    """One face that becomes others, in a straight line in w or on an arc in z, eased at each.

    Raises FatalError for edits without directions, or directions without edits, and as `points`.
    """
    options, generator = source.options, source.sampler.generator
    stops = points(source.request.arguments, options.seed)
    is_edited = any(stop.edits for stop in stops)
    if is_edited and not source.directions:
        raise FatalError(NO_DIRECTIONS)
    if options.directions and not is_edited:
        raise FatalError("--directions is for edited faces, such as 5+smile=2: leave it out")
    stage, count = source.stage([options.seed], [0], 1), options.count()
    shifts = np.stack([source.shift(stop.edits) for stop in stops])
    labels = [_labels(source, stop) for stop in stops]
    places = legs(count, len(stops))
    z = np.stack([z_of(Latent(stop.seed), source.z_dim) for stop in stops])
    c = None if labels[0] is None else np.stack([each for each in labels if each is not None])
    if options.space == "z":

        def way(first: int, end: int) -> Tensor:
            now = places[first:end]
            below = np.minimum(now.astype(int), len(stops) - 2)
            share = now - below
            arcs = [slerp(z[k], z[k + 1], s) for k, s in zip(below, share, strict=True)]
            mixed = None if c is None else along(c, now)[:, None]
            return source.w(np.stack(arcs)[:, None], mixed) + torch.from_numpy(
                along(shifts, now)[:, None]
            )

        return Faces(stage, count, way)
    with torch.inference_mode():
        given = [None if each is None else torch.from_numpy(each)[None] for each in labels]
        ws = torch.cat(
            [w_of(generator, Latent(p.seed), label) for p, label in zip(stops, given, strict=True)]
        )
    w = source.truncated(ws, source.psi).numpy() + shifts
    return Faces(
        stage, count, lambda first, end: torch.from_numpy(along(w, places[first:end]))[:, None]
    )


def _labels(source: Source, point: Point) -> Floats | None:
    """The labels [c_dim] of a face on the way."""
    if point.tags is not None:
        return mean_labels(source.sampler.network.classes, lists_of("", [point.tags]))
    found = source.labels([point.seed])
    return None if found is None else found[0]


def film_of_edits(source: Source) -> Faces:
    """Faces that go from the first edits to the last and back, or from one to its opposite."""
    options = source.options
    seeds, grid = faces_of(options)
    stage, count = source.in_grid(seeds, grid), options.count()
    plain = torch.cat([source.face(seed).ws for seed in seeds])
    shifts = [source.shift(edits_of(word)) for word in source.request.arguments]
    stops = np.stack(shifts if len(shifts) > 1 else [shifts[0], -shifts[0]])
    places = to_and_fro(count, len(stops))

    def ws(first: int, end: int) -> Tensor:
        return plain + torch.from_numpy(along(stops, places[first:end]))[:, None]

    return Faces(stage, count, ws)


def film_of_psi(source: Source) -> Faces:
    """Faces whose psi goes from the first to the last and back, or from one to its opposite."""
    options = source.options
    seeds, grid = faces_of(options)
    stage, count = source.in_grid(seeds, grid), options.count()
    full = torch.cat([source.face(seed, 1.0).ws for seed in seeds])
    psis = list(options.psi or [1.0])
    psis = psis if len(psis) > 1 else [psis[0], -psis[0]]
    way = np.interp(to_and_fro(count, len(psis)), range(len(psis)), psis).astype(np.float32)

    def ws(first: int, end: int) -> Tensor:
        psi = torch.from_numpy(way[first:end]).repeat_interleave(len(seeds))[:, None, None]
        return source.truncated(full.repeat(end - first, 1, 1), psi).view(-1, *full.shape)

    return Faces(stage, count, ws)


def film_of_plane(source: Source) -> Faces:
    """Faces of a StyleGAN 3 that turn once, or drift along an eight, on the plane that they are on."""
    options = source.options
    source.sampler.must_move(source.request.kind)
    seeds, grid = faces_of(options)
    stage, count = source.in_grid(seeds, grid), options.count()
    faces = torch.cat([source.face(seed).ws for seed in seeds])
    shares = [number / count for number in range(count)]
    if source.request.kind == "turn":
        moved = [transform_of(0, 0, 360 * share) for share in shares]
    else:
        moved = [transform_of(*eight(share), 0) for share in shares]
    return Faces(
        stage, count, lambda first, end: faces.expand(end - first, -1, -1, -1), torch.stack(moved)
    )


FILMS: dict[str, Callable[[Source], Faces]] = {
    "walk": film_of_walk,
    "coarse": film_of_styles,
    "fine": film_of_styles,
    "circular": film_of_circle,
    "between": film_between,
    "edit": film_of_edits,
    "truncate": film_of_psi,
    "turn": film_of_plane,
    "drift": film_of_plane,
    "music": film_of_music,
}
