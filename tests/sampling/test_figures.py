"""What figures show."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from animetools.errors import FatalError, ItemError
from animetools.images.files import Pixels
from animetools.images.sheet import margins
from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile
from animetools.networks.config import Truncation
from animetools.sampling.clusters import k_means, nearest
from animetools.sampling.figure import MOST_PIXELS, Draw, Figure, check_extent, compose
from animetools.sampling.figure_options import KINDS, FigureOptions
from animetools.sampling.figures import MAKERS, facts_of, figure_of, opened
from animetools.sampling.latent_figures import mixed
from animetools.sampling.latents import Latent, Picture, SynthesisInput
from animetools.sampling.layers import Ranges, Rows, fine_from, thirds
from animetools.sampling.noise_figures import busiest, by_layers, deviation
from animetools.sampling.pyramid import has_sums, layer_colors, painted, sums
from animetools.sampling.sampler import Sampler
from animetools.sampling.seeds import Psis, Seeds
from animetools.sampling.training_figure import evenly, in_order, stage_of
from tests.netfiles import lucid, sg3
from tests.netfiles.goldens import tf_file
from tests.tiny import SIZE, old_snapshot, snapshot

CPU = torch.device("cpu")


def saved(folder: Path, file: NetworkFile, name: str = "network.pkl") -> str:
    path = str(folder / name)
    checkpoints.write(path, file)
    return path


def made(kind: str, path: str, files: Iterable[str] = (), **wishes: Any) -> tuple[Figure, Sampler]:
    """The figure of a kind, of pictures of their own size."""
    wishes = {"size": SIZE} | wishes
    options = FigureOptions(**wishes).of_kind(kind, has_files=bool(files))
    sampler = opened(kind, Sampler(path, options))
    return figure_of(kind, sampler, options, list(files), []), sampler


def tiles(figure: Figure, sampler: Sampler) -> list[list[Pixels]]:
    """The rows of pictures of a figure, cut out of it."""
    whole = compose(figure, Draw(sampler, CPU))
    width, height = figure.size
    assert whole.shape[1::-1] == figure.extent
    captions = [" "] if figure.captions else []
    left, top, below = margins(width, captions, figure.across, figure.down)
    rows = -(-figure.count // figure.columns)
    return [
        [
            whole[top + y * (height + below) :][:height, left + x * width :][:, :width]
            for x in range(figure.columns)
        ]
        for y in range(rows)
    ]


def picture(sampler: Sampler, seed: int, psi: float = 1.0) -> Pixels:
    """What sggen draws of a seed."""
    return drawn(sampler, sampler.input(Picture(sampler.of_seed(seed, {}), psi)))


def drawn(sampler: Sampler, given: SynthesisInput) -> Pixels:
    (pixels,) = Draw(sampler, CPU)([given])
    return pixels


def equal(one: Pixels, other: Pixels) -> bool:
    return bool(np.array_equal(one, other))


def test_every_kind_has_a_maker() -> None:
    assert MAKERS.keys() == KINDS.keys()
    for kind in KINDS.values():  # what is usual can be read
        assert Seeds.parse(kind.seeds).count <= kind.most
        assert not kind.psis or Psis.parse(kind.psis)


# Of latents


def test_truncation_ends_in_the_average_and_begins_with_the_seeds(tmp_path: Path) -> None:
    path = saved(tmp_path, snapshot())
    psi = Psis.parse("1,0.5,0,-1")
    figure, sampler = made("truncation", path, seeds=Seeds.parse("3,5-6"), psi=psi)
    rows = tiles(figure, sampler)
    assert (figure.across, figure.down) == (
        ("psi 1", "psi 0.5", "psi 0", "psi -1"),
        ("3", "5", "6"),
    )
    average = sampler.generator.mapping.w_avg.expand(1, sampler.generator.num_ws, -1)
    for row, seed in zip(rows, (3, 5, 6), strict=True):
        for pixels, value in zip(row, psi, strict=True):
            assert equal(pixels, picture(sampler, seed, value))
        assert equal(row[2], drawn(sampler, SynthesisInput(average.contiguous())))
    strip, _ = made("psi-strip", path)
    assert (strip.count, strip.across[0], strip.across[-1]) == (18, "psi 0.3", "psi 2")


def test_truncation_is_of_all_rows_of_w_where_no_cutoff_is_given(tmp_path: Path) -> None:
    path = saved(tmp_path, old_snapshot())  # its own cutoff is 2
    for kind in ("truncation", "psi-strip"):
        figure, sampler = made(kind, path, seeds=Seeds.parse("1,2"), psi=Psis([0.0]))
        (first,), (second,) = tiles(figure, sampler)
        assert equal(first, second)  # the average, of both
        assert facts_of(kind, sampler, figure)["cutoff"] == sampler.generator.num_ws
    figure, sampler = made("truncation", path, seeds=Seeds.parse("1,2"), psi=Psis([0.0]), cutoff=2)
    (first,), (second,) = tiles(figure, sampler)
    assert not equal(first, second)


def test_a_mix_has_the_source_s_styles_in_the_range_and_no_others(tmp_path: Path) -> None:
    path = saved(tmp_path, snapshot())
    seeds, rows = Seeds.parse("1-3"), Seeds.parse("7-9")
    ranges = Ranges.parse("0-5,0-1,5")
    figure, sampler = made("mixing", path, seeds=seeds, rows=rows, ranges=ranges)
    assert figure.down == ("", "7\nw 0-5", "8\nw 0-1", "9\nw 5")
    (blank, *sources), *below = tiles(figure, sampler)
    assert (blank == 255).all()
    for pixels, seed in zip(sources, seeds, strict=True):
        assert equal(pixels, picture(sampler, seed))
    for (own, *mixes), seed, taken in zip(below, rows, ranges, strict=True):
        assert equal(own, picture(sampler, seed))
        given = sampler.input(Picture(Latent(seed), 1.0))
        for pixels, source, other in zip(mixes, sources, seeds, strict=True):
            assert equal(pixels, source) == (seed == 7)  # whose range is full
            ws = given.ws.clone()
            for row in range(taken.first, taken.last + 1):
                ws[0, row] = sampler.input(Picture(Latent(other), 1.0)).ws[0, row]
            assert equal(pixels, drawn(sampler, SynthesisInput(ws)))


def test_mixing_leaves_its_arguments_alone() -> None:
    ws, source = torch.zeros(1, 6, 2), torch.ones(1, 6, 2)
    assert mixed(ws, source, Rows(2, 3)).sum(2).tolist() == [[0, 0, 2, 2, 0, 0]]
    assert not ws.any()


@pytest.mark.parametrize(
    ("count", "ends"),
    [(18, (3, 7)), (16, (3, 7)), (14, (3, 7)), (10, (3, 5)), (6, (1, 3)), (4, (0, 1)), (3, (0, 1))],
)
def test_ranges_scale_with_the_network(count: int, ends: tuple[int, int]) -> None:
    coarse, middle, fine = thirds([4 << row // 2 for row in range(count)])
    assert (coarse, middle) == (Rows(0, ends[0]), Rows(ends[0] + 1, ends[1]))
    assert fine == Rows(ends[1] + 1, count - 1)


@pytest.mark.parametrize(
    ("sizes", "wanted"),
    [
        ([4, 8, 16, 32, 64], "0-1,2,3-4"),  # one row a resolution: lucidrains
        ([16, 16, 32, 32, 64, 64, 128, 256, 256], "0-3,4-5,6-8"),  # rates of a StyleGAN 3
        ([16, 16, 32, 32], "0,1,2-3"),
    ],
)
def test_ranges_follow_the_sizes_of_layers(sizes: list[int], wanted: str) -> None:
    assert f"{Ranges(thirds(sizes))}" == wanted


def test_layers_of_a_stylegan_3_have_names() -> None:
    path = str(sg3.path("m32"))
    figure, sampler = made("mixing", path, rows=Seeds.parse("3-5"))
    assert sampler.generator.row_names == ["input", *(f"L{n}" for n in range(7))]
    config: Any = sampler.generator.config
    rates = [layer.rate for layer in config.layers]
    assert sampler.generator.row_sizes == [rates[0], *rates]
    ranges = [label.partition("\n")[2] for label in figure.down[1:]]
    assert ranges[0].startswith("input")
    assert not any(name.startswith("w ") for name in ranges)
    typed = Ranges.parse_layers("input-L2,L3,4-7")
    figure, _ = made("mixing", path, rows=Seeds.parse("3-5"), ranges=typed)
    assert typed == Ranges.parse("0-3,4,4-7")
    assert [label.partition("\n")[2] for label in figure.down[1:]] == ["input-L2", "L3", "L3-L6"]


def test_ranges_of_layers_must_be_those_of_the_network(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"--ranges L7: .* the rows 0-7 of w: input, L0 to L6"):
        made("mixing", str(sg3.path("m32")), ranges=Ranges.parse_layers("L7"))
    with pytest.raises(FatalError, match="0-5 of w, and layers have names in a StyleGAN 3 only"):
        made("mixing", saved(tmp_path, snapshot()), ranges=Ranges.parse_layers("L1"))
    for text in ("L3-L1", "L3-input", "L", "L3-4", "0-L2", "input-", "L100"):
        with pytest.raises(ValueError, match="range"):
            Ranges.parse_layers(text)


@pytest.mark.parametrize("kind", ["noise", "noise-layers", "pyramid"])
def test_what_a_stylegan_3_does_not_have_is_refused_by_its_name(kind: str) -> None:
    with pytest.raises(FatalError, match=r"this StyleGAN 3 (has no noise inputs|paints colors)"):
        made(kind, str(sg3.path("m32")))


def test_the_sums_of_lucidrains_colors_are_its_picture(tmp_path: Path) -> None:
    sampler = Sampler(lucid.written(tmp_path, "rich"), FigureOptions()).opened()
    generator = sampler.generator
    given = sampler.input(Picture(Latent(3), 0.7))
    colors = layer_colors(generator, given)
    assert painted(generator) == [(4, 4), (8, 8), (16, 16)]
    assert has_sums(generator)
    torch.testing.assert_close(sums(generator, colors)[-1], generator.synthesis(given.ws))


def test_the_paper_s_six_rows_have_its_ranges(tmp_path: Path) -> None:
    figure, _ = made("mixing", saved(tmp_path, snapshot()))
    assert [label.rpartition(" ")[2] for label in figure.down[1:]] == [
        *["0-1"] * 3,
        *["2-3"] * 2,
        "4-5",
    ]
    assert [label.partition("\n")[0] for label in figure.down[1:]] == [
        "888",
        "829",
        "1898",
        "1733",
        "1614",
        "845",
    ]


def test_an_interpolation_ends_in_the_pictures_of_the_seeds(tmp_path: Path) -> None:
    path = saved(tmp_path, snapshot(c_dim=3))
    figure, sampler = made("interpolation", path, seeds=Seeds.parse("4,2,9"), count=5)
    rows = tiles(figure, sampler)
    assert figure.down == ("4 to 2\nin z", "4 to 2\nin w", "2 to 9\nin z", "2 to 9\nin w")
    for row, (first, last) in zip(rows, [(4, 2)] * 2 + [(2, 9)] * 2, strict=True):
        assert equal(row[0], picture(sampler, first))
        assert equal(row[-1], picture(sampler, last))
        assert len({pixels.tobytes() for pixels in row}) == 5
    middle = [sampler.input(Picture(sampler.of_seed(seed, {}), 1.0)).ws for seed in (4, 2)]
    assert equal(rows[1][2], drawn(sampler, SynthesisInput(middle[0].lerp(middle[1], 0.5))))


def test_latents_in_files_take_the_place_of_seeds(tmp_path: Path) -> None:
    path = saved(tmp_path, snapshot())
    z = np.random.RandomState(8).randn(2, 12).astype(np.float32)
    z[0] = np.random.RandomState(5).randn(12)
    np.save(tmp_path / "z.npy", z)
    np.save(tmp_path / "one.npy", z[:1])
    figure, sampler = made("truncation", path, [str(tmp_path / "z.npy")])
    assert figure.down == ("z 0", "z 1")
    assert equal(tiles(figure, sampler)[0][0], picture(sampler, 5))
    with pytest.raises(FatalError, match="draws many latents of one seed"):
        made("clusters", path, [str(tmp_path / "one.npy")])


def test_uncurated_pictures_halve_from_column_to_column(tmp_path: Path) -> None:
    figure, sampler = made("uncurated", saved(tmp_path, snapshot()), seeds=Seeds.parse("7"))
    assert (figure.size, figure.draws) == ((16 + 8 + 4 + 4 + 2 + 2, 48), 81)
    ((whole,),) = tiles(figure, sampler)
    z = np.random.RandomState(7).randn(81, 12).astype(np.float32)
    for n in range(3):
        own = sampler.input(Picture(Latent(values=z[n]), 1.0))
        assert equal(whole[16 * n : 16 * n + 16, :16], drawn(sampler, own))
    assert equal(whole[:16, :16], picture(sampler, 7))
    large, _ = made("uncurated", saved(tmp_path, snapshot()), size=None)
    assert large.size[0] == 256 + 128 + 64 + 64 + 32 + 32


# Of noise


def test_noise_shows_what_it_changes(tmp_path: Path) -> None:
    figure, sampler = made("noise", saved(tmp_path, snapshot()), count=6, seeds=Seeds.parse("3"))
    ((first, four, spread),) = tiles(figure, sampler)
    assert figure.draws == 6
    assert spread.any()
    assert (spread[..., 0] == spread[..., 1]).all()
    left, top = busiest(spread[..., 0].astype(np.float64))
    detail = first[top : top + 4, left : left + 4]
    assert equal(four[:8, :8], detail.repeat(2, 0).repeat(2, 1))
    assert not equal(four[:8, 8:], four[:8, :8])


def test_noise_without_strength_changes_nothing(tmp_path: Path) -> None:
    file = snapshot()
    for name, value in file.networks["G_ema"].state.items():
        if name.endswith("noise_strength"):
            value.zero_()
    figure, sampler = made("noise", saved(tmp_path, file), count=5)
    for _, _, spread in tiles(figure, sampler):
        assert not spread.any()
    figure, sampler = made("noise-layers", saved(tmp_path, file))
    for every, *others in tiles(figure, sampler):
        assert all(equal(every, other) for other in others)


def test_the_deviation_is_numpy_s() -> None:
    pictures = list(np.random.default_rng(0).integers(0, 255, (9, 4, 6, 3), np.uint8))
    wanted = np.std([pixels.mean(2) for pixels in pictures], 0)
    assert deviation(iter(pictures)) == pytest.approx(wanted, abs=1e-9)
    assert deviation(iter(pictures[:1])).tolist() == [[0] * 6] * 4
    spread = np.zeros((12, 8))
    spread[7, 5] = 1
    left, top = busiest(spread)
    assert left <= 5 < left + 2
    assert top <= 7 < top + 3


@pytest.mark.parametrize("file", [snapshot, old_snapshot])
def test_noise_layers_are_those_of_the_synthesis(tmp_path: Path, file: Any) -> None:
    figure, sampler = made("noise-layers", saved(tmp_path, file()), seeds=Seeds.parse("2"))
    ((every, none, fine, coarse),) = tiles(figure, sampler)
    psi = sampler.usual_psi[0]
    given = sampler.input(Picture(Latent(2), psi))
    assert equal(every, drawn(sampler, given))
    assert equal(none, drawn(sampler, replace(given, noise="none")))
    assert not equal(fine, coarse)
    kinds = by_layers(sampler.generator)
    sides = [height for height, _ in sampler.generator.noise_shapes]
    on = [[bool(layer.any()) for layer in layers] for layers in kinds]
    assert on[0] == [True] * len(sides)
    assert not any(on[1])
    assert on[2] == [side >= 16 for side in sides]
    assert on[3] == [side < 16 for side in sides]


def test_64_of_1024_pixels_are_fine() -> None:
    sizes = [4, *(side for side in (8, 16, 32, 64, 128, 256, 512, 1024) for _ in range(2))]
    assert sizes[fine_from(sizes)] == 64
    assert fine_from([4, 4]) == 0


# Of layers


def test_a_pyramid_adds_up_to_the_picture(tmp_path: Path) -> None:
    figure, sampler = made("pyramid", saved(tmp_path, snapshot()), seeds=Seeds.parse("6"))
    layers, so_far = tiles(figure, sampler)
    assert figure.across == ("4 x 4", "8 x 8", "16 x 16")
    assert np.abs(so_far[-1].astype(int) - picture(sampler, 6)).max() <= 1
    assert equal(layers[0], so_far[0])
    built, given = sampler.generator, sampler.input(Picture(Latent(6), 1.0))
    colors = layer_colors(built, given)
    assert [tuple(rgb.shape) for rgb in colors] == [(1, 3, side, side) for side in (4, 8, 16)]
    with torch.inference_mode():
        wanted = built.synthesis(given.ws)
    assert torch.allclose(sums(built, colors)[-1], wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "sides"), [("s1_32", 4), ("s1_32_lod1.5", 3), ("s2d_32_lod1.5", 3), ("s2f_32", 4)]
)
def test_the_last_colors_are_the_picture(tmp_path: Path, name: str, sides: int) -> None:
    (tmp_path / "old.pkl").write_bytes(tf_file(name))
    figure, sampler = made("pyramid", str(tmp_path / "old.pkl"), seeds=Seeds.parse("1"), size=32)
    built = sampler.generator
    assert [height for height, _ in painted(built)] == [4 << n for n in range(sides)]
    rows = tiles(figure, sampler)
    assert len(rows) == (2 if has_sums(built) else 1)
    if name == "s1_32":
        wanted = picture(sampler, 1, sampler.usual_psi[0])
        assert np.abs(rows[-1][-1].astype(int) - wanted).max() <= 1


def test_networks_without_layers_of_color_or_noise_have_no_such_figure(tmp_path: Path) -> None:
    (tmp_path / "old.pkl").write_bytes(tf_file("s2_resnet_32"))
    with pytest.raises(FatalError, match="only the last layer"):
        made("pyramid", str(tmp_path / "old.pkl"))


# Of classes and clusters


def test_classes_are_drawn_side_by_side(tmp_path: Path) -> None:
    names = ["long_hair", "smile", "hat"]
    path = saved(tmp_path, snapshot(c_dim=3, labels=names))
    figure, sampler = made("classes", path, seeds=Seeds.parse("1-2"))
    assert (figure.across, figure.down) == (tuple(names), ("1", "2"))
    rows = tiles(figure, sampler)
    for row, seed in zip(rows, (1, 2), strict=True):
        for pixels, name in zip(row, names, strict=True):
            other = Sampler(path, FigureOptions(class_=name)).opened()
            assert equal(pixels, picture(other, seed))
    some, sampler = made("classes", path, tags=("hat", "smile,hat:0.5"))
    assert some.captions
    assert some.captions() == ("hat", "smile, hat:0.5")
    ((hat, _),) = tiles(some, sampler)
    other = Sampler(path, FigureOptions(class_="hat")).opened()
    assert equal(hat, picture(other, 0))
    assert made("classes", path, count=2)[0].count == 2
    with pytest.raises(FatalError, match="this network has no classes"):
        made("classes", saved(tmp_path, snapshot(), "plain.pkl"))


def test_tags_are_completed_in_uncurated_pictures(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"labels": ["hat", "smile"], "tags": True, "examples": [[0], [0, 1]]}
    path = saved(tmp_path, snapshot(c_dim=2, **facts))
    (_, sampler) = made("uncurated", path, tags=("hat",))
    z = np.random.RandomState(0).randn(9, sampler.generator.config.mapping.z_dim)
    drawn = [sampler.label(Latent(values=each.astype(np.float32))) for each in z]
    assert {tuple(each.tolist()) for each in drawn if each is not None} == {(1, 0), (1, 1)}


def test_a_network_of_tags_begins_without_any(tmp_path: Path) -> None:
    path = saved(tmp_path, snapshot(c_dim=2, labels=["hat", "smile"], tags=True))
    figure, _ = made("classes", path)
    assert figure.captions
    assert figure.captions() == ("no tags", "hat", "smile")


def test_k_means_finds_clusters_that_are_there_the_same_ones_for_a_seed() -> None:
    random = np.random.default_rng(3)
    centers = random.standard_normal((4, 6)) * 50
    sizes = (40, 30, 20, 10)
    points = np.concatenate(
        [c + random.standard_normal((n, 6)) for c, n in zip(centers, sizes, strict=True)]
    )
    all_points = torch.from_numpy(random.permutation(points).astype(np.float32))
    best = min(
        (k_means(all_points, 4, seed) for seed in range(8)),
        key=lambda made: spread(all_points, made[0]),
    )
    assert best[1] == list(sizes)
    assert np.abs(best[0].numpy() - centers).max() < 1
    again = [k_means(all_points, 4, 5) for _ in range(2)]
    assert torch.equal(again[0][0], again[1][0])
    assert sum(again[0][1]) == 100
    one, counts = k_means(torch.zeros(5, 3), 5, 0)  # points that cannot be told apart
    assert (one.shape, sum(counts), bool(one.isfinite().all())) == ((5, 3), 5, True)


def spread(points: torch.Tensor, means: torch.Tensor) -> float:
    """The mean squared distance of points to the nearest of the means."""
    least, found = nearest(points, points.square().sum(1), means)
    far = (points[:, None] - means).square().sum(2).min(1)
    assert torch.equal(found, far.indices)
    assert torch.allclose(least, far.values, rtol=1e-3, atol=0.1)
    return float(far.values.mean())


def test_clusters_are_drawn_with_their_shares(tmp_path: Path) -> None:
    path = saved(tmp_path, snapshot(c_dim=2))
    both = [made("clusters", path, count=4) for _ in range(2)]
    first, second = (compose(figure, Draw(sampler, CPU)) for figure, sampler in both)
    assert equal(first, second)
    assert both[0][0].captions
    captions = both[0][0].captions()
    shares = [float(text.partition(": ")[2].rstrip("%")) for text in captions]
    assert sum(shares) == pytest.approx(100)
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("kind", ["uncurated", "classes", "clusters"])
def test_images_of_several_classes_are_not_said_to_be_of_one(tmp_path: Path, kind: str) -> None:
    path = saved(tmp_path, snapshot(c_dim=3))
    figure, sampler = made(kind, path)
    assert not {"class", "tags", "labels"} & facts_of(kind, sampler, figure).keys()
    if kind != "classes":
        figure, sampler = made(kind, path, class_="1")
        assert facts_of(kind, sampler, figure)["class"] == "1"
        figure, sampler = made(kind, path, tags=("1,2",))
        facts = facts_of(kind, sampler, figure)
        assert (facts["query"], facts.get("tags")) == (["1,2"], None)
    else:
        figure, sampler = made(kind, path, tags=("1", "2"), seeds=Seeds.parse("0-1"))
        assert "query" not in facts_of(kind, sampler, figure)


# Of a run


def test_training_shows_the_latents_at_every_stage(tmp_path: Path) -> None:
    paths = [saved(tmp_path, snapshot(seed=n), f"snapshot-00000{n}.{n}00.pkl") for n in range(3)]
    options = FigureOptions(seeds=Seeds.parse("4-5"), size=SIZE).of_kind(
        "training", has_files=False
    )
    sampler = Sampler(paths[-1], options).opened()
    figure = figure_of("training", sampler, options, [], paths)
    assert (figure.across, figure.down) == (("0 kimg", "1.1 kimg", "2.2 kimg"), ("4", "5"))
    for row, seed in zip(tiles(figure, sampler), (4, 5), strict=True):
        for pixels, path in zip(row, paths, strict=True):
            assert equal(pixels, picture(Sampler(path, options).opened(), seed))


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (snapshot(image_channels=1), "draws 16x16 pixels of 1 channel, the last snapshot"),
        (None, "not a network file: neither a pickle"),
    ],
)
def test_a_snapshot_that_cannot_be_is_named(
    tmp_path: Path, file: NetworkFile | None, sentence: str
) -> None:
    paths = [str(tmp_path / "odd.pkl"), saved(tmp_path, snapshot())]
    Path(paths[0]).write_text("a text")
    if file:
        checkpoints.write(paths[0], file)
    options = FigureOptions(size=SIZE).of_kind("training", has_files=False)
    sampler = Sampler(paths[1], options).opened()
    figure = figure_of("training", sampler, options, [], paths)
    with pytest.raises(ItemError, match=f"^{paths[0]}:? {sentence}"):
        compose(figure, Draw(sampler, CPU))


def test_snapshots_are_put_in_order_and_thinned_evenly() -> None:
    names = ["a/network-snapshot-010000.pkl", "b/snapshot-000200.500.pkl", "snapshot-000003.pkl"]
    assert in_order(names) == [names[2], names[1], names[0]]
    assert in_order([*names, "last.pkl"]) == [*names, "last.pkl"]
    stages = ["10,000 kimg", "200.5 kimg", "3 kimg", "last"]
    assert list(map(stage_of, [*names, "last.pkl"])) == stages
    assert evenly([*"abcdefghi"], 3) == [*"aei"]
    assert evenly([*"ab"], 3) == [*"ab"]


# Limits


def test_a_figure_is_refused_before_it_is_drawn() -> None:
    def never(_: Draw) -> Iterable[Pixels]:
        raise AssertionError

    figure = Figure(never, 100, 10, (1000, 1000), 100, ())
    assert check_extent(figure, "png") == (10_000, 10_000)
    assert MOST_PIXELS == 10_000**2
    with pytest.raises(FatalError, match="10,000 x 11,000 pixels, more than 100,000,000 in all"):
        check_extent(replace(figure, count=101), "png")
    with pytest.raises(FatalError, match="more than 65,500 a side"):
        check_extent(replace(figure, count=700, columns=700, size=(100, 1)), "jpg")


def test_small_pictures_are_enlarged_by_whole_numbers(tmp_path: Path) -> None:
    path = saved(tmp_path, snapshot())
    figure, sampler = made("noise-layers", path, size=None)
    assert figure.size == (128, 128)
    large, small = (tiles(each, sampler)[0][0] for each in (figure, made("noise-layers", path)[0]))
    assert equal(large, small.repeat(8, 0).repeat(8, 1))
    assert made("noise-layers", path, size=24)[0].size == (24, 24)


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_clear_pictures_have_figures_too(tmp_path: Path, channels: int) -> None:
    path = saved(tmp_path, snapshot(image_channels=channels))
    for kind in ("mixing", "noise", "pyramid", "uncurated"):
        wishes: dict[str, Any] = {"count": 4} if kind == "noise" else {}
        figure, sampler = made(kind, path, **wishes)
        assert tiles(figure, sampler)[0][0].shape[2:] == ((4,) if channels == 4 else ())


def test_a_psi_of_the_network_is_its_usual_one(tmp_path: Path) -> None:
    path = saved(tmp_path, snapshot(truncation=Truncation(0.7)))
    figure, sampler = made("noise-layers", path)
    assert {source.psi for source in figure.sources} == {0.7}
    assert equal(tiles(figure, sampler)[0][0], picture(sampler, 1967, 0.7))
