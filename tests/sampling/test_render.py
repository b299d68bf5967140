"""Pixels are rounded as ever, and the same in any company."""

import threading

import numpy as np
import pytest
import torch

from animetools.errors import Advice, FatalError, ItemError
from animetools.images.files import Pixels
from animetools.networks.config import MappingConfig
from animetools.networks.generator import Generator
from animetools.networks.stylegan2 import modules as stylegan2
from animetools.networks.stylegan2.config import StyleGAN2GeneratorConfig
from animetools.sampling.latents import Latent, SynthesisInput, synthesis_input
from animetools.sampling.options import SamplingOptions
from animetools.sampling.render import Renderer, to_pixels
from tests.tiny import SIZE, generator, old_snapshot, state

CPU = torch.device("cpu")


def pixels_of(renderer: Renderer, inputs: list[SynthesisInput]) -> list[Pixels]:
    made = renderer(inputs)
    assert all(isinstance(each, np.ndarray) for each in made)
    return [each for each in made if not isinstance(each, ItemError)]


def inputs_of(network: Generator, count: int, noise: str = "const") -> list[SynthesisInput]:
    options = SamplingOptions(noise=noise)  # type: ignore[arg-type]
    return [synthesis_input(network, Latent(seed), 0.7, options) for seed in range(count)]


def test_floats_become_bytes_as_in_other_programs() -> None:
    x = torch.tensor([-2.0, -1.0, -0.9999, 0.0, 0.00393, 0.9999, 1.0, 2.0]).view(1, 1, 2, 4)
    wanted = np.trunc((x.numpy() * np.float32(127.5) + np.float32(128)).clip(0, 255))
    assert to_pixels(x)[..., 0].tolist() == wanted[0].tolist()


def wide_network() -> Generator:
    """One with maps large enough for the fast forms, on which cores work together."""
    config = StyleGAN2GeneratorConfig(MappingConfig(8, 0, 16, 1, 8), (16,) * 6)
    network = stylegan2.Generator(config)
    network.load_state_dict(state(network, 3))
    return network.requires_grad_(False).eval()


@pytest.mark.parametrize("kind", ["small", "wide", "old"])
@pytest.mark.parametrize("noise", ["const", "none", "random", "seed"])
def test_an_image_is_the_same_whatever_the_batch_and_the_cores(kind: str, noise: str) -> None:
    if kind == "wide":
        network: Generator = wide_network()
    else:
        built = generator() if kind == "small" else old_snapshot().generator.build()
        assert isinstance(built, Generator)
        network = built
    inputs = inputs_of(network, 5, noise)
    alone = [
        pixels_of(Renderer(network, CPU, torch.float32, cores=1), [each])[0] for each in inputs
    ]
    for batch, cores in ((2, 1), (5, 5), (1, 3), (0, 4)):
        renderer = Renderer(network, CPU, torch.float32, batch=batch, cores=cores)
        together = pixels_of(renderer, inputs[::-1])[::-1]
        for one, other in zip(alone, together, strict=True):
            assert (one == other).all()
    assert (alone[0] != alone[1]).any()


def test_pixels_are_those_of_the_plain_network() -> None:
    network = generator()
    (pixels,) = pixels_of(Renderer(network, CPU, torch.float32), inputs_of(network, 1))
    z = torch.tensor(np.random.RandomState(0).randn(1, 12), dtype=torch.float32)
    plain = to_pixels(network(z, psi=0.7))[0].numpy()
    assert pixels.shape == (SIZE, SIZE, 3)
    assert np.abs(pixels.astype(int) - plain).max() <= 1


@pytest.mark.parametrize(("channels", "shape"), [(1, (16, 16)), (4, (16, 16, 4))])
def test_grey_and_opacity_are_drawn(channels: int, shape: tuple[int, ...]) -> None:
    network = generator(image_channels=channels)
    (pixels,) = pixels_of(Renderer(network, CPU, torch.float32), inputs_of(network, 1))
    assert pixels.shape == shape


def test_an_image_that_is_not_finite_fails_alone() -> None:
    network = generator()
    inputs = inputs_of(network, 3)
    inputs[1] = SynthesisInput(inputs[1].ws * torch.nan, "const")
    made = Renderer(network, CPU, torch.float32, batch=3)(inputs)
    assert [isinstance(each, ItemError) for each in made] == [False, True, False]


def test_groups_on_a_card_follow_from_the_network_alone() -> None:
    card = torch.device("cuda", 0)
    renderers = [Renderer(generator(), card, torch.float32, batch=batch) for batch in (0, 1, 100)]
    assert [each.group for each in renderers] == [64, 64, 64]
    assert [each.batch for each in renderers] == [64, 1, 100]


def test_a_card_with_little_memory_draws_fewer_at_once() -> None:
    renderer = Renderer(generator(), CPU, torch.float32)
    synthesis, sizes = renderer.synthesis, []

    def small(ws: torch.Tensor, noise: object) -> torch.Tensor:
        sizes.append(len(ws))
        if len(ws) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 GiB.")
        return synthesis(ws, noise)

    inputs = inputs_of(generator(), 5)
    wanted = pixels_of(renderer, inputs)
    renderer.group = 8
    with pytest.warns(Advice, match="it draws groups of [42] images"):
        made = list(renderer._in_groups(small, inputs))
    assert sizes == [8, 4, 2, 2, 2]
    assert (np.stack([each for each in made if not isinstance(each, ItemError)]) == wanted).all()
    renderer.group = 1
    with pytest.raises(FatalError, match="too little memory for one image: try a smaller batch"):
        renderer._make_groups_smaller()


@pytest.mark.gpu
@pytest.mark.parametrize("noise", ["const", "random"])
def test_on_a_card_an_image_is_the_same_whatever_the_batch(noise: str, card: torch.device) -> None:
    network = wide_network()
    renderer = Renderer(network, card, torch.float32)
    renderer.group = 4  # which is not filled by five
    inputs = inputs_of(network, 5, noise)
    together = pixels_of(renderer, inputs)
    for each, pixels in zip(inputs, together, strict=True):
        assert (pixels_of(renderer, [each])[0] == pixels).all()
    on_cpu = pixels_of(Renderer(network, CPU, torch.float32), inputs)
    assert np.abs(np.stack(on_cpu).astype(int) - np.stack(together)).max() <= 1


def test_the_end_of_a_renderer_waits_for_its_threads() -> None:
    before = set(threading.enumerate())
    network = wide_network()
    inputs = inputs_of(network, 2)
    with Renderer(network, CPU, torch.float32, batch=2, cores=4) as renderer:
        caller = threading.Thread(target=renderer, args=[inputs], daemon=True)  # as the engine's
        caller.start()
        caller.join()
        assert len(set(threading.enumerate()) - before) > 2
    assert set(threading.enumerate()) <= before


def test_images_with_and_without_noise_of_their_own_are_drawn_together() -> None:
    network = generator()
    own = tuple(np.ones(shape, np.float32) for shape in network.noise_shapes)
    values = np.ones(8, np.float32)
    inputs = [
        synthesis_input(network, Latent(None, "w", values, noise=noise), 1.0) for noise in (own, ())
    ]
    with Renderer(network, CPU, torch.float32) as renderer:
        alone = pixels_of(renderer, inputs)
        renderer.group = 2  # as a card draws them
        together = [
            each
            for each in renderer._together(renderer.synthesis, inputs)
            if not isinstance(each, ItemError)
        ]
    assert (alone[0] != alone[1]).any()
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1
