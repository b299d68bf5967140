"""A network in its fastest form on a device, for sampling and ranking.

On a CPU that is the form of its row in families.py, else the module, an image at a time. On a GPU
the module runs in the given precision, channels last, and compiled where torch.compile works.
"""

import copy
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from animetools.networks.discriminator import AnyDiscriminator
from animetools.networks.families import kind_of
from animetools.networks.generator import Generator, Noise

Synthesis = Callable[..., Tensor]  # a network that `moves` takes a transform too
Features = Callable[[Tensor], Tensor]


def synthesis(
    generator: Generator, device: torch.device, dtype: torch.dtype, pool: Executor | None = None
) -> Synthesis:
    """The generator's synthesis: (ws [n, num_ws, w_dim], noise) to float32 images on the device.

    On a CPU an image does not depend on its batch, to the last bit, `cpu.GROUP` at a time are
    cheapest, and the threads of a `thread_pool` share the work on them; bfloat16 is used if the
    processor multiplies it, and float16 is float32.
    """
    if device.type != "cpu":
        return _on_gpu(generator.synthesis, device, dtype)
    config, state = generator.config, generator.state_dict()
    form: Synthesis | None = kind_of(config).on_cpu(config, state, native(dtype), pool)
    return form or functools.partial(_one_by_one, generator.synthesis)


def features(discriminator: AnyDiscriminator, device: torch.device, dtype: torch.dtype) -> Features:
    """The discriminator's features: images [n, C, H, W] in -1..1 to float32 on the device.

    The discriminator's `score` takes them, together or each alone. On a CPU an image's features do
    not depend on its batch, and `cpu.GROUP` at a time are cheapest.
    """
    if device.type != "cpu":
        return _on_gpu(_Features(discriminator), device, dtype)
    config, state = discriminator.config, discriminator.state_dict()
    form: Features | None = kind_of(config).on_cpu(config, state, native(dtype), None)
    return form or functools.partial(_one_by_one, discriminator.features)


def native(dtype: torch.dtype) -> torch.dtype:
    """The precision that the CPU computes fast in place of `dtype`."""
    able = torch.cpu.get_capabilities()
    has_bf16 = able.get("avx512_bf16") or able.get("amx_bf16")
    return dtype if dtype == torch.bfloat16 and has_bf16 else torch.float32


@contextmanager
def thread_pool(threads: int) -> Iterator[Executor | None]:
    """A pool for `synthesis`, whose threads compute alone; None where one thread is enough.

    Its end waits for them: Python aborts if it ends while one of them frees a tensor.
    """
    if threads < 2:
        yield None
        return
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield pool


@torch.inference_mode()
def _one_by_one(run: Callable[..., Tensor], x: Tensor, noise: Noise | None = None) -> Tensor:
    """Each image alone: torch's convolutions may round differently in another batch.

    And its products elsewhere in memory, so that each begins in memory of its own.
    """
    images = []
    for i in range(len(x)):
        own = x[i : i + 1].clone()
        if noise is None:
            images.append(run(own))
        elif isinstance(noise, str):
            images.append(run(own, noise))
        else:
            images.append(run(own, [layer[i % len(layer)][None] for layer in noise]))
    return torch.cat(images).float()


class _Features(nn.Module):
    """A discriminator without its head."""

    def __init__(self, discriminator: AnyDiscriminator) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, images: Tensor) -> Tensor:
        return self.discriminator.features(images)


def _on_gpu(module: nn.Module, device: torch.device, dtype: torch.dtype) -> Callable[..., Tensor]:
    """A copy of the module on the device, compiled; plain once it turns out not to compile."""
    plain = _in_precision(copy.deepcopy(module).to(device), dtype)
    compiled = functools.cache(lambda: torch.compile(plain, dynamic=False))
    compiles = True

    def there(x: Tensor) -> Tensor:
        return x.to(device, dtype)

    @torch.inference_mode()
    def run(x: Tensor, noise: Noise | None = None, *more: Tensor) -> Tensor:
        nonlocal compiles  # for all threads
        given: list[Any] = [there(x)]
        if noise is not None:
            given.append(noise if isinstance(noise, str) else [there(layer) for layer in noise])
        given += [each.to(device) for each in more]
        out: Tensor
        if compiles:
            try:
                out = compiled()(*given).float()
                return out
            except torch.OutOfMemoryError:
                raise
            except Exception:  # noqa: BLE001  no Triton, no compiler: whatever it is, plain works
                compiles = False
        out = plain(*given).float()
        return out

    return run


def _in_precision(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The module itself in a precision, but for its `exact` part, ready to be compiled."""
    for part in module.modules():
        if "lod" in dict(part.named_buffers(recurse=False)):
            lod = float(part.lod)  # type: ignore[arg-type]
            del part.lod
            part.lod = lod  # type: ignore[assignment]  # a number, which the compiler knows
    exact: nn.Module | None = getattr(module, "exact", None)
    numbers = {} if exact is None else copy.deepcopy(exact.state_dict())
    module.to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if exact is not None:
        exact.float().load_state_dict(numbers)
    return module
