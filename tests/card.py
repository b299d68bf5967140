"""A card for machines without one: it computes on the CPU, and is as strict as CUDA.

Its tensors say that they are on cuda:0 or another card. What mixes devices, takes a generator of
another device or reads memory without `.cpu()` fails as on a card. Kernels, speed and rounding are
the CPU's.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._device import _device_constructors
from torch.utils._pytree import tree_leaves, tree_map

MEMORY = 80 << 30
CPU, META = torch.device("cpu"), torch.device("meta")
COPIES = {torch.ops.aten.copy_, torch.ops.aten._to_copy, torch.ops.aten.to}
FUSED = "_fused"  # optimizers, whose counts of steps are on the card too
INDEXING = {torch.ops.aten.index, torch.ops.aten.index_put, torch.ops.aten.index_put_}


class CardTensor(torch.Tensor):
    """A tensor on a card, whose numbers are in a tensor of the CPU."""

    numbers: Tensor
    card: torch.device

    @staticmethod
    def __new__(cls, numbers: Tensor, card: torch.device) -> "CardTensor":
        """What autograd and the memory formats see is a tensor without memory, as large."""
        assert not isinstance(numbers, CardTensor)
        shape = numbers.shape, numbers.stride()
        with torch.inference_mode(False):  # a view of a tensor from outside is none of its tensors
            empty = torch.empty_strided(*shape, dtype=numbers.dtype, device="meta")
            made: CardTensor = torch.Tensor._make_subclass(cls, empty)
        made.numbers, made.card = numbers, card
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.card

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    @property
    def is_meta(self) -> bool:  # type: ignore[override]
        return False

    def tolist(self) -> Any:
        return self.numbers.tolist()

    def __repr__(self) -> str:  # type: ignore[override]
        return f"CardTensor({self.numbers}, {self.card})"

    @classmethod
    def __torch_function__(
        cls,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Tell `x.to(y)` where y is, and refuse generators that are elsewhere."""
        if generator := (kwargs or {}).get("generator"):
            _refuse_generator(generator, args[0].device)
        if func is Tensor.to and len(args) > 1 and isinstance(args[1], Tensor):
            args = args[0], args[1].device, args[1].dtype, *args[2:]
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Compute on the CPU, after the checks of a card."""
        given = args, kwargs or {}
        leaves = tree_leaves(given)
        card = next(each.card for each in leaves if isinstance(each, CardTensor))
        goals = [leaf for leaf in leaves if isinstance(leaf, torch.device) and leaf != META]
        goal = goals[0] if goals else card  # torch's own code takes its tensors for META's
        if func.overloadpacket not in COPIES:
            _refuse_strangers(func, card, args, leaves)
        here, named = tree_map(_inner, given)
        made = func(*here, **named)
        if goal == CPU:
            return made.clone()
        owners = {id(each.numbers): each for each in leaves if isinstance(each, CardTensor)}

        def wrapped(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            owner = owners.get(id(value))  # of what works in place
            return owner if owner is not None and owner.card == goal else CardTensor(value, goal)

        return tree_map(wrapped, made)


def _refuse_strangers(func: Any, card: torch.device, args: Sequence[Any], leaves: Any) -> None:
    """Raise RuntimeError as a card does for tensors that are elsewhere."""
    places = args[1] if func.overloadpacket in INDEXING else ()
    takes_scalars = not func.overloadpacket.__name__.startswith(FUSED)
    for each in leaves:
        if not isinstance(each, Tensor) or each.device in (card, META):
            continue
        is_scalar = takes_scalars and not each.dim()
        if each.device == CPU and (is_scalar or any(each is place for place in places)):
            continue
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices,"
            f" {card} and {each.device}! ({func})"
        )


def _refuse_generator(generator: torch.Generator, device: torch.device) -> None:
    """Raise RuntimeError as torch does for a generator of another device."""
    if generator.device.type != device.type:
        raise RuntimeError(f"Expected a '{device}' generator, but found '{generator.device}'")


def _inner(value: Any) -> Any:
    """What the CPU computes with in place of it."""
    if isinstance(value, CardTensor):
        return value.numbers
    if isinstance(value, torch.device):
        return CPU
    if isinstance(value, Tensor) and value.is_meta:  # zeros, which torch's derivatives make
        return torch.zeros(value.shape, dtype=value.dtype)
    return value


class CardGenerator(torch.Generator):
    """Random numbers of a device; those of a card are the CPU's."""

    place: torch.device

    def __new__(cls, device: torch.device | str = "cpu") -> "CardGenerator":
        made = super().__new__(cls)
        made.place = torch.device(device)
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.place


def _empty(
    size: Sequence[int],
    *,
    device: torch.device,
    dtype: torch.dtype | None = None,
    memory_format: torch.memory_format | None = None,
    **_: object,
) -> Tensor:
    order = memory_format or torch.contiguous_format
    return CardTensor(torch.empty(size, dtype=dtype, memory_format=order), device)


def _empty_strided(
    size: Sequence[int],
    stride: Sequence[int],
    *,
    device: torch.device,
    dtype: torch.dtype | None = None,
    **_: object,
) -> Tensor:
    return CardTensor(torch.empty_strided(size, stride, dtype=dtype), device)


def two_cards() -> None:
    """Have torch find two cards for the rest of this process."""
    insert_cards(pytest.MonkeyPatch(), 2)


def insert_cards(patch: pytest.MonkeyPatch, count: int = 1) -> None:
    """Have torch find so many cards, until the patch is undone."""
    if not _kernels:
        library: Any = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
        library.impl("empty.memory_format", _empty, "CUDA")  # what all others are made of
        library.impl("empty_strided", _empty_strided, "CUDA")
        _kernels.append(library)
    _device_constructors()  # remembers at its first call what `with torch.device(...)` changes
    tensor = torch.tensor

    def new_tensor(data: Any, *, device: Any = None, **more: Any) -> Tensor:
        if device is None:
            return tensor(data, **more)
        return tensor(data, device=CPU, **more).to(device)

    def drawing(draw: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def checked(*args: Any, **more: Any) -> Tensor:
            if generator := more.get("generator"):
                _refuse_generator(generator, torch.device(more.get("device") or CPU))
            return draw(*args, **more)

        return checked

    for name in ("rand", "randn", "randint", "randperm"):
        patch.setattr(torch, name, drawing(getattr(torch, name)))
    patch.setattr(torch, "tensor", new_tensor)
    patch.setattr(torch, "Generator", CardGenerator)
    patch.setattr(torch.cuda, "_lazy_init", lambda: None)
    patch.setattr(torch.cuda, "is_available", lambda: True)
    patch.setattr(torch.cuda, "device_count", lambda: count)
    patch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    patch.setattr(torch.cuda, "set_device", lambda card: None)
    patch.setattr(torch.cuda, "mem_get_info", lambda card: (MEMORY, MEMORY))
    patch.setattr(torch.cuda, "max_memory_allocated", lambda card: MEMORY)
    # A module's own tensors stay the same objects, as on a card.
    swap = torch.__future__.get_swap_module_params_on_conversion
    patch.setattr(torch.__future__, swap.__name__, lambda: True)


_kernels: list[object] = []  # which end with the process
