"""ESRGAN's RRDB networks and Real-ESRGAN's compact ones, from other people's files, in torch."""

import math
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from animetools.errors import FatalError, ItemError
from animetools.netfiles import pickles
from animetools.netfiles.machine import refuse
from animetools.netfiles.safetensors import LONGEST_HEADER
from animetools.upscaling.network import Geometry, Planes, UpscalingNetwork

MOST_WEIGHTS = 512 << 20  # bytes of a .safetensors, which is read whole
WIDEST = 1024  # channels
MOST_PARTS = 256  # blocks or layers
LARGEST_SCALE = 8
# RRDB networks see further. Beside a seam Real-ESRGAN's then differ by up to 7 levels of 255 from
# the whole picture; with 16 it is 24, with 10 over 100.
OVERLAP = 32
MEMORY, MEMORY_OF_CARD = 200 << 20, 1 << 30  # bytes that the features of a tile may take
STRIP = 1 << 17  # pixels that are enlarged at once
MARGIN = 2  # rows that the enlarging layers look beyond a strip


def open_esrgan(path: str, device: torch.device, dtype: torch.dtype) -> UpscalingNetwork:
    """The network of a .pth or .safetensors file, ready to run on the device.

    It is an RRDB network, as ESRGAN and Real-ESRGAN name its tensors, or Real-ESRGAN's compact
    VGG network (SRVGGNetCompact); its sizes are those of its tensors, and nothing in the file is
    executed. A card computes in `dtype`, the layers at both ends in float32; a CPU in float32.

    From then on torch uses one thread wherever this process calls it: on several cores run as many
    tiles at once.

    Raises FatalError, one sentence, for a file that holds neither network.
    Sources: Wang et al. 2018 (ESRGAN), section 3.1; Wang et al. 2021 (Real-ESRGAN), section 3.4.
    """
    torch.set_num_threads(
        1
    )  # several would wait for each other longer than they work, even while loading
    try:
        state = _tensors(_content(path))
        network = _compact(state) if "body.0.weight" in state else _rrdb(state)
    except OSError as why:
        raise FatalError(f"{path} cannot be read: {why.strerror}") from why
    except ItemError as why:
        raise FatalError(
            f"{path} is not an ESRGAN (RRDB) or Real-ESRGAN compact network: {why}"
        ) from why
    return _Network(network, device, torch.float32 if device.type == "cpu" else dtype)


class _Network:
    """A network on its device."""

    def __init__(
        self, network: "_Compact | _Rrdb", device: torch.device, dtype: torch.dtype
    ) -> None:
        memory = MEMORY if device.type == "cpu" else MEMORY_OF_CARD
        self.geometry = network.geometry(memory // dtype.itemsize)
        self.device = device
        self.network = network.to(device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        for convolution in network.ends():
            convolution.float()

    @torch.inference_mode()
    def run(
        self, rgb: Planes, known: Mapping[str, Planes] | None = None, wanted: str | None = None
    ) -> Planes:
        """See UpscalingNetwork; there are no pools."""
        torch.set_num_threads(1)  # for threads that have used torch before
        try:
            x = torch.from_numpy(np.array(rgb[None], np.float32)).to(self.device)
            y: Tensor = self.network(x.contiguous(memory_format=torch.channels_last))
            return y[0].cpu().contiguous().numpy()
        except (MemoryError, RuntimeError) as why:  # torch has no type for it on a CPU
            if isinstance(why, RuntimeError) and "memory" not in str(why):
                raise
            raise ItemError("not enough memory for it: try a smaller --tile") from None


# Both families take RGB [1, 3, h, w] in 0..1 and return it enlarged, in float32. Their `ends` are the
# layers whose input or output is a picture, which stay in float32; their `geometry` has a tile whose
# features are `room` numbers.


class _Compact(nn.Module):
    """Convolutions and PReLUs in turn, added to the picture enlarged by repeating pixels."""

    def __init__(self, features: int, layers: int, scale: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for i in range(layers):
            parts += [_convolution(features if i else 3, features), nn.PReLU(features)]
        self.body = nn.ModuleList([*parts, _convolution(features, 3 * scale**2)])
        self.features, self.layers, self.scale = features, layers, scale

    def ends(self) -> tuple[nn.Conv2d, nn.Conv2d]:
        return self.body[0], self.body[-1]  # type: ignore[return-value]

    def geometry(self, room: int) -> Geometry:
        overlap = self.layers + 1  # all that a pixel depends on
        side = math.isqrt(room // (2 * self.features + 6 * self.scale**2)) - 2 * overlap
        return Geometry(self.scale, overlap=overlap, tile=_tile(side))

    def forward(self, x: Tensor) -> Tensor:
        first, last = self.ends()
        seen = first(x).to(self.body[1].weight.dtype)
        for part in self.body[1:-1]:
            seen = part(seen)
        y = F.pixel_shuffle(last(seen.float()), self.scale)
        return y.add_(F.interpolate(x, scale_factor=self.scale))


class _Dense(nn.ModuleDict):
    """Five convolutions, each of the outputs of all before it."""

    def __init__(self, features: int, growth: int) -> None:
        widths = [(features + i * growth, growth) for i in range(4)]
        widths += [(features + 4 * growth, features)]
        super().__init__({f"conv{i + 1}": _convolution(*pair) for i, pair in enumerate(widths)})

    def forward(self, x: Tensor) -> Tensor:
        *convolutions, last = self.values()
        seen = x
        for convolution in convolutions:
            seen = torch.cat((seen, _bent(convolution(seen))), 1)
        return torch.add(x, last(seen), alpha=0.2)


class _Block(nn.ModuleDict):
    """A residual in residual dense block."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__({f"rdb{i}": _Dense(features, growth) for i in (1, 2, 3)})

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for dense in self.values():
            y = dense(y)
        return torch.add(x, y, alpha=0.2)


class _Rrdb(nn.Module):
    """A trunk of blocks at the size of the input, or of the input folded, and what enlarges it.

    A network whose input is folded (pixel unshuffle) enlarges by so much less.
    """

    def __init__(self, fold: int, features: int, growth: int, blocks: int, ups: int) -> None:
        super().__init__()
        self.conv_first = _convolution(3 * fold**2, features)
        self.body = nn.Sequential(*[_Block(features, growth) for _ in range(blocks)])
        self.conv_body = _convolution(features, features)
        self.ups = nn.ModuleDict({str(i + 1): _convolution(features, features) for i in range(ups)})
        self.conv_hr = _convolution(features, features)
        self.conv_last = _convolution(features, 3)
        self.fold, self.enlarging = fold, 2**ups
        self.numbers = 5 * features + 8 * growth  # at the widest place of a block

    def ends(self) -> tuple[nn.Conv2d, nn.Conv2d]:
        return self.conv_first, self.conv_last

    def geometry(self, room: int) -> Geometry:
        side = self.fold * math.isqrt(room // self.numbers) - 2 * OVERLAP
        scale = self.enlarging // self.fold
        return Geometry(scale, overlap=OVERLAP, align=self.fold, tile=_tile(side))

    def forward(self, x: Tensor) -> Tensor:
        seen = self.conv_first(F.pixel_unshuffle(x, self.fold)).to(self.conv_body.weight.dtype)
        seen += self.conv_body(self.body(seen))
        # Strip by strip: enlarged, the features are many times as large as in the trunk.
        height, width = seen.shape[2:]
        rows = max(MARGIN, STRIP // (width * self.enlarging**2))
        strips = []
        for top in range(0, height, rows):
            first = max(0, top - MARGIN)
            strip = self._enlarged(seen[:, :, first : top + rows + MARGIN])
            begin = (top - first) * self.enlarging
            strips.append(strip[:, :, begin : begin + rows * self.enlarging])
        return torch.cat(strips, 2)

    def _enlarged(self, seen: Tensor) -> Tensor:
        for convolution in self.ups.values():
            seen = _bent(convolution(F.interpolate(seen, scale_factor=2)))
        enlarged: Tensor = self.conv_last(_bent(self.conv_hr(seen)).float())
        return enlarged


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, device="meta")


def _bent(x: Tensor) -> Tensor:
    return F.leaky_relu_(x, 0.2)


def _tile(side: int) -> int:
    return max(64, min(side // 32 * 32, 512))


def _content(path: str) -> Any:
    """The content of a torch.save or safetensors file, as plain values and tensors."""
    data = pickles.mapped(path)
    head = bytes(data[:9])
    if head.startswith(b"PK\x03\x04"):
        return pickles.load_torch_zip(data)
    if pickles.is_torch_legacy(data):
        return pickles.load_torch_legacy(data)
    if not head.endswith(b"{") or int.from_bytes(head[:8], "little") > LONGEST_HEADER:
        refuse("it is neither a torch.save nor a safetensors file")
    if len(data) > MOST_WEIGHTS:
        refuse(f"it is longer than the {MOST_WEIGHTS} bytes that are allowed")
    try:
        return safetensors.torch.load(bytes(data))
    except (safetensors.SafetensorError, KeyError):  # the key is a type that torch lacks
        refuse("a broken or truncated safetensors file")


def _tensors(value: Any) -> dict[str, Tensor]:
    """The tensors of the network in a file."""
    for wrapper in ("params_ema", "params", "state_dict"):
        if type(value) is dict and type(value.get(wrapper)) is dict:
            value = value[wrapper]
    if type(value) is not dict or not value:
        refuse("it does not hold named tensors")
    for name, tensor in value.items():
        if not isinstance(tensor, Tensor):
            refuse(f"{name!a:.80} in it is not a tensor")
    pickles.refuse_shared(value.values())
    return {str(name).removeprefix("module."): tensor for name, tensor in value.items()}


# How other programs name their tensors; Real-ESRGAN names them as the modules here.
_NAMES = (
    (r"model\.0\.", "conv_first."),
    (r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"body.\1.rdb\2.conv\3."),
    (r"model\.1\.sub\.\d+\.", "conv_body."),
    (r"RRDB_trunk\.(\d+)\.RDB(\d)\.", r"body.\1.rdb\2."),
    (r"trunk_conv\.", "conv_body."),
    (r"(?:upconv|conv_up)(\d)\.", r"ups.\1."),
    (r"HRconv\.", "conv_hr."),
)


def _renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of an RRDB network, renamed to the modules here."""
    # The oldest layout counts what follows the trunk, layers without tensors too: those that
    # enlarge come three apart, then two more.
    counted = [name for name in state if re.fullmatch(r"model\.\d+\.weight", name)]
    ups = len(counted) - 3
    tail = {f"model.{3 * i}.": f"ups.{i}." for i in range(1, ups + 1)}
    tail |= {f"model.{3 * ups + 2}.": "conv_hr.", f"model.{3 * ups + 4}.": "conv_last."}
    found = {}
    for name, tensor in state.items():
        place = name[: name.rfind(".") + 1]
        ours = tail[place] + name.removeprefix(place) if place in tail else name
        for pattern, replacement in _NAMES:
            ours = re.sub(f"^{pattern}", replacement, ours)
        if ours in found:
            refuse(f"it has the tensor {ours!a:.80} twice")
        found[ours] = tensor
    return found


def _rrdb(state: dict[str, Tensor]) -> _Rrdb:
    """The RRDB network of these tensors."""
    state = _renamed(state)
    features, channels = _sizes(state, "conv_first.weight")
    growth, _ = _sizes(state, "body.0.rdb1.conv1.weight")
    blocks = _count(state, r"body\.\d+\.rdb1\.conv1\.weight")
    ups = _count(state, r"ups\.\d\.weight")
    fold = math.isqrt(channels // 3)
    if channels != 3 * fold**2 or fold not in (1, 2, 4):
        refuse(f"it takes pictures of {channels} channels, not RGB")
    if 2**ups > LARGEST_SCALE or 2**ups < fold:
        refuse(f"it enlarges by {2**ups / fold:g}, which is not supported")
    return _filled(_Rrdb(fold, features, growth, blocks, ups), state)


def _compact(state: dict[str, Tensor]) -> _Compact:
    """The compact network of these tensors."""
    features, _ = _sizes(state, "body.0.weight")
    layers = (_count(state, r"body\.\d+\.weight") - 1) // 2
    outputs, _ = _sizes(state, f"body.{2 * layers}.weight")
    scale = math.isqrt(outputs // 3)
    if layers < 1 or outputs != 3 * scale**2 or not 1 <= scale <= LARGEST_SCALE:
        refuse(f"its last layer gives {outputs} channels, not an enlarged RGB picture")
    return _filled(_Compact(features, layers, scale), state)


def _sizes(state: dict[str, Tensor], name: str) -> tuple[int, int]:
    """The channels that a convolution gives and takes."""
    if name not in state:
        refuse(f"it has no tensor {name}")
    match tuple(state[name].shape):
        case (outputs, inputs, 3, 3) if 0 < outputs <= WIDEST and 0 < inputs <= WIDEST:
            return outputs, inputs
    refuse(f"its tensor {name} is {tuple(state[name].shape)}: not a convolution of these networks")


def _count(state: dict[str, Tensor], pattern: str) -> int:
    count = sum(1 for name in state if re.fullmatch(pattern, name))
    if count > MOST_PARTS:
        refuse(f"it has too many layers: {count}")
    return count


N = TypeVar("N", bound=nn.Module)


def _filled(network: N, state: dict[str, Tensor]) -> N:
    """The network with these tensors as float32; none may be missing or left over."""
    wanted = network.state_dict()
    own = {}
    for name, place in wanted.items():
        if name not in state:
            refuse(f"it has no tensor {name}")
        if state[name].shape != place.shape:
            refuse(f"its tensor {name} is {tuple(state[name].shape)}, not {tuple(place.shape)}")
        if not state[name].is_floating_point():
            refuse(f"its tensor {name} holds integers")
        # A copy: the file may change while it is used.
        own[name] = state[name].to(torch.float32, copy=True)
        if not own[name].isfinite().all():
            refuse(f"its tensor {name} holds NaN or infinite values")
    for name in state:
        if name not in wanted:
            refuse(f"it has the tensor {name!a:.80}, which these networks do not have")
    network.load_state_dict(own, assign=True)
    return network
