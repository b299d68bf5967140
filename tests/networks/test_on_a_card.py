"""The form of a network for a card, computed here by the CPU, and by a card."""

import copy
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from animetools.networks import fast
from animetools.networks.stylegan1 import modules as stylegan1
from animetools.networks.stylegan1.config import StyleGAN1GeneratorConfig
from animetools.networks.stylegan2 import modules as stylegan2
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)
from animetools.networks.stylegan3 import modules as stylegan3
from animetools.networks.stylegan3.design import config_of
from tests.networks.test_fast import CPU, SMALL, lively


def compilable() -> dict[str, tuple[nn.Module, tuple[Any, ...]]]:
    """A small network of each family, and what it is given."""
    layers = StyleGAN1GeneratorConfig(SMALL, (8, 8), progressive=True)
    ours = StyleGAN2GeneratorConfig(SMALL, (8, 8))
    theirs = StyleGAN2DiscriminatorConfig((8, 8), dense=8)
    ws = torch.randn(2, 4, 8)
    maps = [torch.randn(2, 1, *shape) for shape in stylegan2.Generator(ours).noise_shapes]
    filtered = stylegan3.Generator(config_of(16, SMALL, channel_max=8, channel_base=128))
    moved = torch.randn(2, filtered.num_ws, 8), "const", torch.eye(3).expand(2, 3, 3)
    return {
        "StyleGAN 1": (stylegan1.Generator(layers).synthesis, (ws, "const")),
        "StyleGAN 2": (stylegan2.Generator(ours).synthesis, (ws, "const")),
        "given noise": (stylegan2.Generator(ours).synthesis, (ws, maps)),
        "StyleGAN 3": (filtered.synthesis, moved),
        "features": (fast._Features(stylegan2.Discriminator(theirs)), (torch.rand(2, 3, 8, 8),)),
    }


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's
@pytest.mark.parametrize("name", compilable())
def test_a_network_compiles_as_a_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By all of torch.compile but its last step, which makes a card's code."""
    module, given = compilable()[name]
    module = lively(module)
    compiler, done = torch.compile, []

    def compile_whole(plain: nn.Module, *, dynamic: bool) -> Any:
        compiled = compiler(plain, dynamic=dynamic, backend="aot_eager", fullgraph=True)

        def run(*inputs: Any) -> Tensor:
            out: Tensor = compiled(*inputs)
            done.append(out.dtype)
            return out

        return run

    monkeypatch.setattr(torch, "compile", compile_whole)
    made = fast._on_gpu(module, CPU, torch.float32)(*given)
    torch.testing.assert_close(made, module(*given), rtol=1e-4, atol=1e-4)
    assert done == [torch.float32]  # it did not fall back to the plain module


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", compilable())
def test_a_card_comes_near_the_cpu(name: str, dtype: torch.dtype, card: torch.device) -> None:
    module, given = compilable()[name]
    module = lively(module)
    wanted = module(*given)
    found = fast._on_gpu(module, card, dtype)(*given)
    assert found.device == card
    assert found.dtype == torch.float32
    error = (found.cpu() - wanted).square().mean().sqrt() / wanted.std()
    assert error < {torch.float32: 0.002, torch.float16: 0.01, torch.bfloat16: 0.1}[dtype]


def test_half_precision_does_not_move_a_stylegan_3() -> None:
    module, (ws, noise, transform) = compilable()["StyleGAN 3"]
    lively(module)
    half = fast._in_precision(copy.deepcopy(module), torch.bfloat16)
    seen: list[Tensor] = []
    for each in (module, half):
        assert isinstance(each, stylegan3.Synthesis)
        each.input.register_forward_hook(lambda layer, given, made: seen.append(made))
    kinds: list[torch.dtype] = []
    for layer in half.layers:  # type: ignore[union-attr]
        layer.register_forward_hook(lambda layer, given, made: kinds.append(made.dtype))
    half(ws.bfloat16(), noise, transform)
    assert set(kinds) == {torch.bfloat16}
    module(ws.bfloat16().float(), noise, transform)
    assert torch.equal(*seen)


def test_what_does_not_compile_runs_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for threads that find out at the same time."""
    together, calls = Barrier(2), []

    def broken(plain: nn.Module, *, dynamic: bool) -> Any:
        def run(*_: object) -> None:
            calls.append(together.wait(60))
            raise RuntimeError("no Triton")

        return run

    monkeypatch.setattr(torch, "compile", broken)
    generator = lively(stylegan2.Generator(StyleGAN2GeneratorConfig(SMALL, (8, 8))))
    assert isinstance(generator, stylegan2.Generator)
    run = fast._on_gpu(generator.synthesis, CPU, torch.float32)
    ws = torch.randn(2, generator.num_ws, 8)
    with ThreadPoolExecutor(2) as pool:
        for made in [*pool.map(run, [ws, ws], ["const"] * 2), run(ws, "const")]:
            torch.testing.assert_close(made, generator.synthesis(ws, "const"))
    assert len(calls) == 2
