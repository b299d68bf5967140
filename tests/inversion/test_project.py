"""Pictures of a network are found again in it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from animetools.errors import ItemError
from animetools.inversion import start
from animetools.inversion.network import ProjectingNetwork
from animetools.inversion.options import ProjectionOptions
from animetools.inversion.pictures import Pixels, psnr, target_of
from animetools.inversion.project import Projector
from animetools.inversion.projection import Projection
from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile
from animetools.sampling.latent_files import read
from animetools.sampling.latents import Latent, synthesis_input
from animetools.sampling.render import to_pixels
from tests.tiny import old_snapshot, snapshot

CPU = torch.device("cpu")


def projector(path: Path, file: NetworkFile | None = None, **options: Any) -> Projector:
    """A tiny network that projects in few steps."""
    name = str(path / f"{len(os.listdir(path))}.pkl")  # a file is opened once
    checkpoints.write(name, file or snapshot())
    settings = ProjectionOptions(**{"steps": 60, "realism": 0, "feature_weight": 0.01} | options)
    return Projector(ProjectingNetwork(name, settings).resolved(), CPU)


def samples(of: Projector, count: int, labels: Any = None) -> list[Pixels]:
    """What the network draws of seeds 0, 1 ..."""
    generator = of.network.network.generator
    inputs = [synthesis_input(generator, Latent(n), 0.7, labels=labels) for n in range(count)]
    with torch.no_grad():
        images = to_pixels(torch.cat([generator.synthesis(one.ws) for one in inputs]))
    return [image.numpy().transpose(2, 0, 1) for image in images]


def found(results: Sequence[Projection | ItemError]) -> list[Projection]:
    assert not [each for each in results if isinstance(each, ItemError)], results
    return [each for each in results if isinstance(each, Projection)]


@pytest.mark.parametrize(("space", "begin"), [("w", "mean"), ("w+", "nearest"), ("z", "nearest")])
def test_its_own_pictures_are_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: str, begin: str
) -> None:
    monkeypatch.setattr(start, "COMPARED", 120)
    search = projector(tmp_path, space=space, start=begin)
    targets = samples(search, 2)
    results = found(search(targets))
    shapes = {"w": (1, 8), "w+": (1, 6, 8), "z": (1, 12)}
    for result, target in zip(results, targets, strict=True):
        assert result.values.shape == shapes[space]
        least = 20 if space == "z" else 25
        assert result.error["psnr"] == round(psnr(result.drawn, target), 3) > least
        assert 0 <= result.error["features"] < 0.05


def test_a_file_gives_the_same_picture_again(tmp_path: Path) -> None:
    for options in ({"space": "w"}, {"space": "w+", "noise": True}, {"space": "z"}):
        search = projector(tmp_path, steps=8, **options)
        (result,) = found(search(samples(search, 1)))
        (tmp_path / "x.npz").write_bytes(result.latent_file({"psnr": 1}))
        generator = search.network.network.generator
        (latent,) = read(str(tmp_path / "x.npz"), generator)
        assert len(latent.noise) == (5 if "noise" in options else 0)
        one = synthesis_input(generator, latent, 1.0)
        drawn = to_pixels(generator.synthesis(one.ws, one.noise)).numpy().transpose(0, 3, 1, 2)[0]
        assert np.abs(drawn.astype(int) - result.drawn).max() <= 1


def test_company_and_order_change_nothing(tmp_path: Path) -> None:
    search = projector(tmp_path, steps=12)
    targets = samples(search, 3)
    together = found(search(targets))
    for target, result in zip(targets, together, strict=True):
        assert found(search([target]))[0].latent_file({}) == result.latent_file({})
    # A card takes a whole group: nearly the same here, where another size may round differently.
    search.group = 2
    for alone, grouped in zip(together, found(search(targets)), strict=True):
        assert abs(alone.error["psnr"] - grouped.error["psnr"]) < 0.5


def test_noise_maps_bring_it_nearer_and_stay_noise(tmp_path: Path) -> None:
    target = np.random.default_rng(0).integers(0, 256, (3, 16, 16), np.uint8)
    search = projector(tmp_path, steps=40)
    (without,) = found(search([target]))
    search = projector(tmp_path, steps=40, noise=True)
    (result,) = found(search([target]))
    assert result.error["psnr"] > without.error["psnr"]
    for layer in result.noise:
        assert abs(layer.mean()) < 1e-4
        assert abs(layer.std() - 1) < 1e-3
    assert search.generator.noise_shapes == [layer.shape for layer in result.noise]


@pytest.mark.parametrize("space", ["w+", "z"])
def test_realism_holds_latents_near_the_average(tmp_path: Path, space: str) -> None:
    target = np.random.default_rng(0).integers(0, 256, (3, 16, 16), np.uint8)
    away = []
    for realism in (0.0, 0.1, 10.0):
        search = projector(tmp_path, steps=30, realism=realism, space=space)
        (result,) = found(search([target]))
        (tmp_path / "x.npz").write_bytes(result.latent_file({}))
        generator = search.network.network.generator
        (latent,) = read(str(tmp_path / "x.npz"), generator)
        ws = synthesis_input(generator, latent, 1.0).ws
        away.append(float((ws - search.mean).square().mean()))
    assert away[0] > away[1] > away[2]


def test_networks_of_all_kinds(tmp_path: Path) -> None:
    grey = projector(tmp_path, snapshot(image_channels=1))
    (result,) = found(grey(samples(grey, 1)))
    assert result.drawn.shape == (1, 16, 16)
    assert result.error["psnr"] > 25
    assert result.sheet()[:4] == b"\x89PNG"

    errors = []
    for steps in (1, 40):
        old = projector(tmp_path, old_snapshot(), steps=steps)
        (result,) = found(old(samples(old, 1)))
        errors.append(result.error)
    assert [list(error) for error in errors] == [["psnr"], ["psnr"]]  # it has no discriminator
    assert errors[1]["psnr"] > errors[0]["psnr"] + 6


def test_z_of_a_class_is_found_for_that_class(tmp_path: Path) -> None:
    for network in (snapshot(c_dim=2), snapshot(c_dim=2, labels=["cat", "dog"])):
        search = projector(tmp_path, network, space="z", class_="1")
        assert search.labels is not None
        assert search.labels.tolist() == [0, 1]
        (result,) = found(search(samples(search, 1, search.labels.numpy())))
        assert result.error["psnr"] > 25
    with pytest.raises(ItemError, match="give --class or --tags"):
        projector(tmp_path, network, space="z")
    with pytest.raises(ItemError, match="no class 'bird' among cat, dog"):
        projector(tmp_path, network, class_="bird")


def test_tags_are_alone_for_z_and_completed_for_w(tmp_path: Path) -> None:
    network = snapshot(c_dim=2, labels=["cat", "dog"], tags=True, examples=[[0, 1], [1]])
    search = projector(tmp_path, network, space="z", tags=("cat",))
    assert search.labels is not None
    assert search.labels.tolist() == [1, 0]
    labels = projector(tmp_path, network, tags=("cat",)).network.labels()
    assert labels
    assert labels.rows([0]).tolist() == [[1, 1]]


def test_pictures_are_resized_and_other_proportions_refused() -> None:
    config = snapshot().generator.config
    assert target_of(np.zeros((100, 101, 3), np.uint8), config).shape == (3, 16, 16)
    with pytest.raises(ItemError, match="90x100 pixels, the network draws 16x16"):
        target_of(np.zeros((100, 90, 3), np.uint8), config)


def test_the_nearest_sample_of_a_sample_is_itself(tmp_path: Path) -> None:
    search = projector(tmp_path)
    generator = search.network.network.generator
    nearest = start.Nearest(generator, CPU, None, 5, 70)
    again = start.Nearest(generator, CPU, None, 5, 70)
    assert torch.equal(nearest.w, again.w)
    assert len(nearest.w) == 70
    with torch.no_grad():
        image = generator.synthesis(nearest.w[64].expand(1, generator.num_ws, -1))[0].clamp(-1, 1)
    assert torch.equal(nearest.of(image)[1], nearest.w[64])
