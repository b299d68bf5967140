"""Seeds mean what they meant, and nothing else that is drawn changes that."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from animetools.errors import ItemError
from animetools.networks.config import Truncation
from animetools.sampling.latents import Latent, SynthesisInput, slerp, synthesis_input, w_of, z_of
from animetools.sampling.options import SamplingOptions
from animetools.sampling.seeds import Psis
from tests.tiny import generator

G = generator()
CONDITIONAL = generator(c_dim=3)
SEEDS = st.integers(0, 2**32 - 1)


def noise_of(drawn: SynthesisInput) -> list[torch.Tensor]:
    assert not isinstance(drawn.noise, str)
    return list(drawn.noise)


def test_z_is_what_the_old_programs_drew() -> None:
    z = np.random.RandomState(5).randn(1, 12)
    wanted = G.mapping(torch.tensor(z, dtype=torch.float32))
    assert torch.equal(synthesis_input(G, Latent(5), 1.0).ws, wanted)


def test_psi_and_cutoff_draw_rows_to_the_average() -> None:
    free = synthesis_input(G, Latent(5), 1.0).ws
    near = synthesis_input(G, Latent(5), 0.25, SamplingOptions(cutoff=2)).ws
    average = G.mapping.w_avg
    assert torch.allclose(near[:, :2], average + 0.25 * (free[:, :2] - average), atol=1e-5)
    assert torch.equal(near[:, 2:], free[:, 2:])
    assert torch.allclose(synthesis_input(G, Latent(5), 0.0).ws, average.expand_as(free))


def test_noise_of_the_seed_goes_on_where_z_ended() -> None:
    stream = np.random.RandomState(6600)
    stream.randn(1, 12)
    wanted = [stream.randn(1, 1, *shape) for shape in G.noise_shapes]
    drawn = synthesis_input(G, Latent(6600), 0.5, SamplingOptions(noise="seed"))
    assert len(wanted) == 5
    for found, layer in zip(noise_of(drawn), wanted, strict=True):
        assert torch.equal(found, torch.tensor(layer, dtype=torch.float32))


@given(SEEDS, SEEDS)
def test_random_noise_is_the_seeds_own_and_leaves_z_alone(one: int, other: int) -> None:
    first, again, second = (
        synthesis_input(G, Latent(seed), 1.0, SamplingOptions(noise="random"))
        for seed in (one, one, other)
    )
    layers = [
        torch.cat([layer.flatten() for layer in noise_of(drawn)])
        for drawn in (first, again, second)
    ]
    assert torch.equal(layers[0], layers[1])
    assert torch.equal(layers[0], layers[2]) == (one == other)
    assert torch.equal(first.ws, synthesis_input(G, Latent(one), 1.0).ws)


@given(SEEDS, st.floats(0.01, 3))
def test_a_truncated_z_lies_within_its_bound(seed: int, bound: float) -> None:
    plain = np.random.RandomState(seed).randn(1, 12)
    options = SamplingOptions(psi=Psis([bound]), truncate="z", noise="seed")
    drawn = synthesis_input(G, Latent(seed), bound, options)
    stream = np.random.RandomState(seed)
    z = stream.randn(1, 12)
    while (out := np.abs(z) > bound).any():
        z[out] = stream.randn(int(out.sum()))
    assert np.abs(z).max() <= bound
    assert ((z == plain) == (np.abs(plain) <= bound)).all()
    # w is as that z gives it, not truncated once more, and the noise comes after the redraws
    assert torch.equal(drawn.ws, G.mapping(torch.tensor(z, dtype=torch.float32)))
    first = torch.tensor(stream.randn(1, 1, 4, 4), dtype=torch.float32)
    assert torch.equal(noise_of(drawn)[0], first)


def test_labels_reach_the_mapping() -> None:
    labels = np.array([0, 1, 1], np.float32)
    z = torch.tensor(np.random.RandomState(5).randn(1, 12), dtype=torch.float32)
    drawn = synthesis_input(CONDITIONAL, Latent(5), 1.0, labels=labels)
    assert torch.equal(drawn.ws, CONDITIONAL.mapping(z, torch.tensor(labels)[None]))
    assert drawn.labels is not None
    assert drawn.labels.tolist() == [[0, 1, 1]]


def test_kept_latents_are_taken_as_they_are() -> None:
    z = np.linspace(0, 1, 12, dtype=np.float32)
    w = np.arange(8, dtype=np.float32)
    rows = np.arange(48, dtype=np.float32).reshape(6, 8)
    drawn = synthesis_input(G, Latent(kind="z", values=z), 1.0)
    assert torch.equal(drawn.ws, G.mapping(torch.from_numpy(z)[None]))
    one, all_rows = (
        synthesis_input(G, Latent(kind="w", values=values), 1.0).ws for values in (w, rows)
    )
    assert torch.equal(one, torch.from_numpy(w).expand(1, 6, 8))
    assert torch.equal(all_rows, torch.from_numpy(rows)[None])


def test_latents_have_noise_of_their_own_but_no_seed() -> None:
    latent = Latent(kind="w", values=np.zeros(8, np.float32))
    other = replace(latent, values=np.ones(8, np.float32))
    first, again, second = (
        noise_of(synthesis_input(G, each, 1.0, SamplingOptions(noise="random")))[0]
        for each in (latent, latent, other)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    with pytest.raises(ItemError, match="no seed"):
        synthesis_input(G, latent, 1.0, SamplingOptions(noise="seed"))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_latents_that_are_no_numbers_are_one_sentence(number: float) -> None:
    for latent in (
        Latent(kind="w", values=np.array([number, *range(7)], np.float32)),
        Latent(kind="z", values=np.array([number, *range(11)], np.float32)),
    ):
        with pytest.raises(ItemError, match="these latents are not finite numbers"):
            synthesis_input(G, latent, 1.0)


def test_the_truncation_of_a_file_is_left_to_the_caller() -> None:
    other = generator(truncation=Truncation(0.1, 1))
    assert torch.equal(
        synthesis_input(other, Latent(3), 1.0).ws, synthesis_input(G, Latent(3), 1.0).ws
    )


def test_z_and_w_of_a_latent_are_there_for_arithmetic() -> None:
    z = z_of(Latent(5), 12)
    assert (z == np.random.RandomState(5).randn(1, 12)[0].astype(np.float32)).all()
    halfway = Latent(values=(z + z_of(Latent(6), 12)) / np.float32(2))
    mixed = w_of(G, Latent(5)).clone()
    mixed[:, :2] = w_of(G, halfway)[:, :2]
    ws = synthesis_input(G, Latent(kind="w", values=mixed[0].numpy()), 1.0).ws
    assert torch.equal(ws, mixed)
    assert torch.equal(w_of(G, Latent(5)), synthesis_input(G, Latent(5), 1.0).ws)


@given(st.floats(0, 1))
def test_slerp_goes_evenly_along_a_circle(share: float) -> None:
    one, other = np.eye(3, dtype=np.float32)[:2] * 4
    angle = share * np.pi / 2
    wanted = [4 * np.cos(angle), 4 * np.sin(angle), 0]
    assert np.allclose(slerp(one, other, share), wanted, atol=1e-5)
    assert np.allclose(slerp(one, one, share), one)
    assert np.allclose(slerp(one, -one, share), (1 - 2 * share) * one, atol=1e-5)
