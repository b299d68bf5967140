"""Networks as one."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from animetools.errors import Advice, ItemError
from animetools.netfiles.blend import Swap, blended
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.networks.config import Truncation
from animetools.networks.stylegan2 import modules as stylegan2
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)
from tests import tiny

HALVES = (0.5, 0.5)
A, B = tiny.snapshot(seed=1), tiny.snapshot(seed=2)


def test_an_average_of_a_network_with_itself_is_that_network() -> None:
    for synthesis in (HALVES, (0.3, 0.7), Swap(8), Swap(16, 2)):
        made = blended("ab", [A, A], synthesis, HALVES, HALVES)
        assert set(made.networks) == {"G_ema", "D"}
        for name, network in made.networks.items():
            assert network.config == A.networks[name].config
            for key, value in network.build().state_dict().items():
                torch.testing.assert_close(value, A.networks[name].state[key])


def test_an_average_has_so_much_of_each() -> None:
    files = [A, B, tiny.snapshot(seed=3)]
    shares = (0.75, 0.5, -0.25)
    made = blended("abc", files, shares, shares, shares)
    for name, network in made.networks.items():
        for key, value in network.state.items():
            parts = [
                share * file.networks[name].state[key]
                for share, file in zip(shares, files, strict=True)
            ]
            torch.testing.assert_close(value, sum(parts, torch.zeros_like(value)))


def test_a_swap_has_coarse_layers_of_the_first_and_fine_ones_of_the_second() -> None:
    made = blended("ab", [A, B], Swap(8), (1, 0), None)
    assert set(made.networks) == {"G_ema"}
    for key, value in made.generator.state.items():
        source = A if key.startswith(("mapping.", "synthesis.b4.")) else B
        assert torch.equal(value, source.generator.state[key]), key


def test_how_labels_are_taken_does_not_count_without_labels() -> None:
    judge = B.discriminator
    assert isinstance(judge.config, StyleGAN2DiscriminatorConfig)
    as_tensorflow = replace(judge.config, labels="output")
    other = replace(judge, config=as_tensorflow)
    files = [A, replace(B, networks=B.networks | {"D": other})]
    assert "D" in blended("ab", files, HALVES, HALVES, HALVES).networks


@given(st.integers(3, 10), st.integers(0, 9))
def test_a_soft_edge_lies_between(edge: int, soft: int) -> None:
    swap = Swap(1 << edge, soft)
    shares = [swap(4 << block) for block in range(12)]
    seconds = [second for _, second in shares]
    assert all(first + second == pytest.approx(1) and 0 <= second <= 1 for first, second in shares)
    assert seconds == sorted(seconds)
    assert sum(0 < second < 1 for second in seconds) <= 2 * soft
    assert swap(1 << edge)[1] + swap(1 << edge >> 1)[1] == pytest.approx(1)  # about the edge


def other(name: str, **changes: object) -> NetworkFile:
    """A, but for a field of the config of one of its networks."""
    network = A.networks[name]
    config = replace(network.config, **changes)  # type: ignore[type-var]
    return replace(A, networks=A.networks | {name: SavedNetwork(config, network.state)})


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (
            tiny.old_snapshot(),
            "the generator of b has the family StyleGAN 1, not StyleGAN 2 as that of a",
        ),
        (
            other("G_ema", channels=(8, 8, 4)),
            "the generator of b has channels 8 8 4, not 8 8 8 as that of a",
        ),
        (
            other("G_ema", mapping=replace(tiny.MAPPING, layers=3)),
            "the generator of b has layers 3, not 2 as that of a",
        ),
        (other("D", dense=4), "the discriminator of b has dense 4, not 8 as that of a"),
        (replace(A, facts={"labels": ["x"]}), "b has other classes or tags than a"),
    ],
)
def test_networks_that_differ_are_named(file: NetworkFile, sentence: str) -> None:
    with pytest.raises(ItemError) as caught:
        blended("ab", [A, file], HALVES, HALVES, HALVES)
    assert str(caught.value) == sentence


def test_what_a_network_suggests_may_differ() -> None:
    tamed = tiny.snapshot(seed=1, truncation=Truncation(0.5))
    assert blended("ab", [A, tamed], HALVES, HALVES, None).generator.config == A.generator.config


def test_a_size_without_layers_is_named() -> None:
    with pytest.raises(ItemError) as caught:
        blended("ab", [A, B], Swap(32), HALVES, None)
    assert str(caught.value) == "a has no layers that begin at 32 pixels, but at 8, 16"


def test_sizes_are_those_of_the_longer_side_of_pictures() -> None:
    files = []
    for seed in (1, 2):
        config = StyleGAN2GeneratorConfig(tiny.MAPPING, tiny.CHANNELS, base=(3, 5))
        module = stylegan2.Generator(config)
        network = SavedNetwork(config, tiny.state(module, seed))
        files.append(NetworkFile("animetools", {"G_ema": network}, {}))
    made = blended("ab", files, Swap(10), (1, 0), None).generator
    for key, value in made.state.items():
        source = files[not key.startswith(("mapping.", "synthesis.b4."))]
        assert torch.equal(value, source.generator.state[key]), key
    with pytest.raises(ItemError, match="at 8 pixels, but at 10, 20"):
        blended("ab", files, Swap(8), (1, 0), None)


def test_how_far_networks_have_grown_is_no_sum() -> None:
    files = [tiny.old_snapshot(), tiny.old_snapshot()]
    for file in files:
        file.generator.state["synthesis.lod"].fill_(1 / 3)
    for synthesis in ((0.3, 0.7), Swap(8, 9)):
        made = blended("ab", files, synthesis, HALVES, None).generator
        assert made.state["synthesis.lod"].equal(files[0].generator.state["synthesis.lod"])


def test_networks_of_different_stages_are_refused() -> None:
    grown, growing = tiny.old_snapshot(), tiny.old_snapshot()
    growing.generator.state["synthesis.lod"].fill_(1)
    with pytest.raises(ItemError, match="have grown to different resolutions"):
        blended("ab", [grown, growing], HALVES, HALVES, None)


def test_a_missing_discriminator_is_not_needed_where_none_is_taken_of_it() -> None:
    bare = replace(B, networks={"G": B.generator})
    with pytest.warns(Advice, match="the result has no discriminator, since b has none"):
        assert "D" not in blended("ab", [A, bare], HALVES, HALVES, HALVES).networks
    made = blended("ab", [bare, A], HALVES, HALVES, (0.0, 1.0))
    assert torch.equal(
        made.discriminator.state["b4.out.bias"], A.discriminator.state["b4.out.bias"]
    )


def test_labels_are_those_of_the_mapping_network_that_is_taken() -> None:
    tagged = tiny.snapshot(seed=1, c_dim=2, labels=["hat", "smile"], tags=True)
    for files, mapping in (([tagged, B], (1, 0)), ([A, tagged], (0, 1))):
        plain = (0, 1) if files[1] is B else (1, 0)
        made = blended("ab", files, Swap(8), mapping, plain)
        assert made.facts.get("labels") == ["hat", "smile"]
        assert made.generator.config.mapping.c_dim == 2  # type: ignore[attr-defined]
        for name, value in made.generator.state.items():
            source = tagged if name.startswith("mapping.") else files[".b4." not in name]
            assert torch.equal(value, source.generator.state[name]), name
        with pytest.raises(ItemError, match="has other classes or tags than"):
            blended("ab", files, Swap(8), HALVES, plain)
        with pytest.raises(ItemError, match="b has other classes or tags than a"):
            blended("ab", [A, tagged], Swap(8), (1, 0), (0, 1))
