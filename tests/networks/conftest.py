"""What the tests of networks share."""

import torch
from torch import Tensor, nn

from animetools.networks.generator import Generator

torch.set_num_threads(1)  # networks as small as these are slower with more


def idle_layers(generator: Generator, discriminator: nn.Module, c: Tensor | None) -> list[str]:
    """The layers that a step of training leaves as they were.

    The step includes both regularizers, which differentiate twice.
    """
    pair = nn.ModuleDict({"G": generator, "D": discriminator})
    before = {name: parameter.clone() for name, parameter in pair.named_parameters()}
    optimizer = torch.optim.Adam(pair.parameters(), lr=0.1)
    ws = generator.mapping(torch.randn(4, generator.config.mapping.z_dim), c)
    images = generator.synthesis(ws, "random")
    scores = discriminator(images, c)
    noisy = (images * torch.randn_like(images)).sum()
    lengths = torch.autograd.grad(noisy, ws, create_graph=True)[0].square().mean()
    slopes = torch.autograd.grad(scores.sum(), images, create_graph=True)[0].square().mean()
    (scores.square().mean() + lengths + slopes).backward()
    optimizer.step()
    idle = {}
    for name, parameter in pair.named_parameters():
        assert bool(parameter.isfinite().all()), name
        if torch.equal(parameter, before[name]):
            idle[name.rpartition(".")[0].removesuffix(".affine")] = True
    return list(idle)
