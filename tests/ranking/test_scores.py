"""Scores alone, and scores among others in a minibatch."""

import numpy as np
import pytest
import torch

from animetools.errors import ItemError
from animetools.networks.config import MappingConfig
from animetools.networks.stylegan1 import modules as stylegan1
from animetools.networks.stylegan1.config import StyleGAN1DiscriminatorConfig
from animetools.networks.stylegan2 import modules as stylegan2
from animetools.networks.stylegan2.config import StyleGAN2DiscriminatorConfig
from animetools.ranking.scores import Pixels, Scored, Scorer, prepare
from animetools.ranking.shuffles import FeatureFile, check_minibatch, shuffled_scores

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network() -> stylegan2.Discriminator:
    torch.manual_seed(1)
    made = stylegan2.Discriminator(StyleGAN2DiscriminatorConfig((8, 6, 4), dense=8))
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def scorer(network: stylegan2.Discriminator) -> Scorer:
    return Scorer(network, CPU, torch.float32)


def pictures(count: int) -> list[Pixels]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 3, 16, 16), np.uint8))


def filed(scorer: Scorer, some: list[Pixels]) -> FeatureFile:
    file = FeatureFile()
    for scored in scorer.score([(pixels, None) for pixels in some], keep_features=True):
        assert isinstance(scored, Scored)
        file.add(scored)
    return file


def test_alone_is_a_batch_of_one(network: stylegan2.Discriminator, scorer: Scorer) -> None:
    some = pictures(5)
    expected = [float(network(torch.from_numpy(one[None]).float() * (2 / 255) - 1)) for one in some]

    together = scorer.alone(scorer.features(some))

    assert together == pytest.approx(expected, abs=1e-5)
    assert [scorer.alone(scorer.features([one]))[0] for one in some] == together


def test_shuffled_scores_depend_on_the_minibatch(
    network: stylegan2.Discriminator, scorer: Scorer
) -> None:
    some = pictures(6)
    order = np.random.default_rng(3).permutation(6)
    images = torch.from_numpy(np.stack(some)).float() * (2 / 255) - 1
    filled = [*order[4:], *order[:2]]  # the last minibatch goes on with the first pictures
    expected = np.zeros(6)
    expected[order[:4]] = network(images[order[:4]]).numpy()
    expected[order[4:]] = network(images[filled])[:2].numpy()

    with filed(scorer, some) as file:
        found = shuffled_scores(scorer, file, shuffles=1, minibatch=4, seed=3)

    assert found == pytest.approx(expected, abs=1e-5)
    alone = scorer.alone(scorer.features(some))
    assert found != pytest.approx(alone, abs=1e-5)  # or the test would say nothing


def test_shuffles_are_averaged(scorer: Scorer) -> None:
    with filed(scorer, pictures(4)) as file:
        one = shuffled_scores(scorer, file, shuffles=1, minibatch=2, seed=0)
        many = shuffled_scores(scorer, file, shuffles=8, minibatch=2, seed=0)
        again = shuffled_scores(scorer, file, shuffles=8, minibatch=2, seed=0)

    assert not np.allclose(one, many)
    assert np.array_equal(many, again)


def test_nothing_has_no_scores(scorer: Scorer) -> None:
    with FeatureFile() as file:
        assert len(shuffled_scores(scorer, file, shuffles=2, minibatch=4, seed=0)) == 0


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_are_prepared_as_training_shows_them(channels: int) -> None:
    config = StyleGAN2DiscriminatorConfig((4, 4, 4), base=(4, 3), image_channels=channels, dense=4)
    red = np.zeros((40, 30, 3), np.uint8)
    red[..., 0] = 255

    shown = prepare(red, config, "pad")

    assert shown.shape == (channels, 16, 12)
    expected = {1: [76], 3: [255, 0, 0], 4: [255, 0, 0, 255]}[channels]
    assert shown[:, 8, 6].tolist() == expected


def test_labels_go_with_every_picture() -> None:
    torch.manual_seed(2)
    mapping = MappingConfig(z_dim=0, c_dim=3, w_dim=4, layers=1, width=4)
    config = StyleGAN2DiscriminatorConfig((4, 4, 4), dense=4, c_dim=3, mapping=mapping)
    network = stylegan2.Discriminator(config).eval().requires_grad_(False)
    labels = np.array([0, 0, 1], np.float32)
    images = torch.from_numpy(np.stack(pictures(3))).float() * (2 / 255) - 1
    scorer = Scorer(network, CPU, torch.float32, labels)

    scores = scorer.together(scorer.features(pictures(3)))

    expected = network(images, torch.tensor([[0.0, 0, 1]]).expand(3, -1))
    torch.testing.assert_close(scores, expected)


def test_ext_scores_without_classes() -> None:
    one = StyleGAN2DiscriminatorConfig((4, 4), dense=4, c_dim=3, labels="ignored")
    other = StyleGAN1DiscriminatorConfig((4, 4), dense=4, c_dim=3)

    assert stylegan2.Discriminator(one).c_dim == 0
    assert stylegan1.Discriminator(other).c_dim == 3


def test_a_minibatch_divides_into_groups(network: stylegan2.Discriminator) -> None:
    for good in (1, 3, 4, 8):
        check_minibatch(network, good)
    with pytest.raises(ItemError, match="multiple of 4"):
        check_minibatch(network, 6)
