"""RRDB and compact networks: against a plain computation, and what is refused."""

import io
import pickle
import resource
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from animetools.errors import FatalError, ItemError
from animetools.upscaling import esrgan
from animetools.upscaling.esrgan import open_esrgan
from animetools.upscaling.network import Planes, UpscalingNetwork
from tests.netfiles.files import Evil

CPU = torch.device("cpu")
State = dict[str, Tensor]
Save = Callable[[Any], bytes]

# The three layouts: the first convolution, block N's RDB m's convolution k, and what follows.
LAYOUTS = {
    "oldest": ("model.0", "model.1.sub.{}.RDB{}.conv{}.0"),
    "old": ("conv_first", "RRDB_trunk.{}.RDB{}.conv{}"),
    "new": ("conv_first", "body.{}.rdb{}.conv{}"),
}


def tail(layout: str, blocks: int, ups: int) -> list[str]:
    """The convolutions after the blocks, in order."""
    if layout == "oldest":
        # Beside them the oldest layout counts what enlarges and what bends.
        after = {0: (2, 4), 1: (3, 5, 7), 2: (3, 6, 8, 10), 3: (3, 6, 9, 11, 13)}[ups]
        return [f"model.1.sub.{blocks}", *[f"model.{n}" for n in after]]
    trunk, up, hr = {
        "old": ("trunk_conv", "upconv{}", "HRconv"),
        "new": ("conv_body", "conv_up{}", "conv_hr"),
    }[layout]
    return [trunk, *[up.format(i + 1) for i in range(ups)], hr, "conv_last"]


def convolution(outputs: int, inputs: int) -> tuple[Tensor, Tensor]:
    return torch.randn(outputs, inputs, 3, 3) / (3 * inputs**0.5), torch.randn(outputs) / 4


def rrdb(
    layout: str = "new",
    *,
    ups: int = 2,
    channels: int = 3,
    features: int = 8,
    growth: int = 4,
    blocks: int = 2,
) -> State:
    """The tensors of a small network."""
    torch.manual_seed(0)
    first, inner = LAYOUTS[layout]
    layers = {first: convolution(features, channels)}
    for n in range(blocks):
        for m in (1, 2, 3):
            for k in range(1, 6):
                outputs = growth if k < 5 else features
                layers[inner.format(n, m, k)] = convolution(outputs, features + (k - 1) * growth)
    names = tail(layout, blocks, ups)
    layers |= {name: convolution(features, features) for name in names}
    layers[names[-1]] = convolution(3, features)
    return {
        f"{name}.{leaf}": tensor
        for name, pair in layers.items()
        for leaf, tensor in zip(("weight", "bias"), pair, strict=True)
    }


def rrdb_twin(state: State, layout: str, x: Tensor, ups: int, fold: int, blocks: int = 2) -> Tensor:
    """What the network computes, plainly; ESRGAN's paper, figures 3 and 4."""
    first, inner = LAYOUTS[layout]
    names = tail(layout, blocks, ups)

    def conv(x: Tensor, name: str) -> Tensor:
        weight, bias = state[f"{name}.weight"].double(), state[f"{name}.bias"].double()
        return F.conv2d(x, weight, bias, padding=1)

    _, c, h, w = x.shape
    folded = x.view(c, h // fold, fold, w // fold, fold).permute(0, 2, 4, 1, 3)
    feat = conv(folded.reshape(1, c * fold**2, h // fold, w // fold), first)
    trunk = feat
    for n in range(blocks):
        block = trunk
        for m in (1, 2, 3):
            seen = [block]
            for k in range(1, 5):
                seen.append(F.leaky_relu(conv(torch.cat(seen, 1), inner.format(n, m, k)), 0.2))
            block = block + 0.2 * conv(torch.cat(seen, 1), inner.format(n, m, 5))
        trunk = trunk + 0.2 * block
    feat = feat + conv(trunk, names[0])
    for name in names[1 : 1 + ups]:
        feat = feat.repeat_interleave(2, 2).repeat_interleave(2, 3)
        feat = F.leaky_relu(conv(feat, name), 0.2)
    return conv(F.leaky_relu(conv(feat, names[-2]), 0.2), names[-1])


def compact(*, scale: int = 2, features: int = 8, layers: int = 3) -> State:
    """The tensors of a small network of so many convolutions with PReLU, and one without."""
    torch.manual_seed(0)
    state: State = {}
    for i in range(layers + 1):
        outputs = features if i < layers else 3 * scale**2
        pair = convolution(outputs, features if i else 3)
        state[f"body.{2 * i}.weight"], state[f"body.{2 * i}.bias"] = pair
        if i < layers:
            state[f"body.{2 * i + 1}.weight"] = torch.rand(features)
    return state


def compact_twin(state: State, x: Tensor, scale: int, layers: int = 3) -> Tensor:
    """What the network computes, plainly."""
    y = x
    for i in range(layers + 1):
        weight, bias = (state[f"body.{2 * i}.{leaf}"].double() for leaf in ("weight", "bias"))
        y = F.conv2d(y, weight, bias, padding=1)
        if i < layers:
            y = torch.where(y > 0, y, y * state[f"body.{2 * i + 1}.weight"].double()[:, None, None])
    _, _, h, w = x.shape
    y = y.view(3, scale, scale, h, w).permute(0, 3, 1, 4, 2).reshape(1, 3, h * scale, w * scale)
    return y + x.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


def zipped(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def legacy(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def opened(data: bytes, folder: Path) -> UpscalingNetwork:
    path = folder / "a.pth"
    path.write_bytes(data)
    return open_esrgan(str(path), CPU, torch.float32)


def refused(data: bytes, folder: Path) -> str:
    """The sentence of a refusal."""
    with pytest.raises(FatalError) as why:
        opened(data, folder)
    sentence = str(why.value)
    assert "\n" not in sentence
    assert len(sentence) < 400
    assert "is not an ESRGAN (RRDB) or Real-ESRGAN compact network: " in sentence
    return sentence.rpartition("network: ")[2]


def picture(height: int, width: int) -> Planes:
    return np.random.default_rng(0).random((3, height, width), np.float32)


def agree(found: Planes, wanted: Tensor) -> None:
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, wanted[0].numpy(), rtol=0, atol=2e-5)


@pytest.mark.parametrize("ups", [0, 1, 2, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_rrdb_agrees_with_the_plain_computation(layout: str, ups: int, tmp_path: Path) -> None:
    state, rgb = rrdb(layout, ups=ups), picture(21, 17)
    network = opened(zipped(state), tmp_path)
    assert (network.geometry.scale, network.geometry.align, network.geometry.border) == (
        2**ups,
        1,
        0,
    )
    wanted = rrdb_twin(state, layout, torch.from_numpy(rgb[None]).double(), ups, 1)
    agree(network.run(rgb), wanted)


@pytest.mark.parametrize(("channels", "fold"), [(12, 2), (48, 4)])
def test_networks_that_fold_their_input_enlarge_by_less(
    channels: int, fold: int, tmp_path: Path
) -> None:
    state, rgb = rrdb(channels=channels), picture(20, 28)
    network = opened(zipped(state), tmp_path)
    assert (network.geometry.scale, network.geometry.align) == (4 // fold, fold)
    wanted = rrdb_twin(state, "new", torch.from_numpy(rgb[None]).double(), 2, fold)
    agree(network.run(rgb), wanted)


@pytest.mark.parametrize("ups", [0, 1, 2, 3])
def test_strips_are_seamless(ups: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, rgb = opened(zipped(rrdb(ups=ups)), tmp_path), picture(13, 9)
    whole = network.run(rgb)
    for rows in (2, 3, 12, 13):
        monkeypatch.setattr(esrgan, "STRIP", rows * 9 * 4**ups)
        np.testing.assert_allclose(network.run(rgb), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_compact_agrees_with_the_plain_computation(scale: int, tmp_path: Path) -> None:
    state, rgb = compact(scale=scale), picture(21, 17)
    network = opened(zipped(state), tmp_path)
    assert (network.geometry.scale, network.geometry.align, network.geometry.border) == (
        scale,
        1,
        0,
    )
    agree(network.run(rgb), compact_twin(state, torch.from_numpy(rgb[None]).double(), scale))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.integers(1, 5))
def test_a_compact_network_sees_as_far_as_it_says(start: int, layers: int) -> None:
    module = esrgan._compact(compact(layers=layers))
    network = esrgan._Network(module, CPU, torch.float32)
    rgb, overlap = picture(30, 9), network.geometry.overlap
    whole = network.run(rgb)[:, 2 * (start + overlap) :]
    tile = network.run(rgb[:, start:])[:, 2 * overlap :]
    np.testing.assert_allclose(tile, whole, rtol=0, atol=1e-6)
    nearer = network.run(rgb)[:, 2 * (start + overlap) - 2 : 2 * (start + overlap)]
    assert np.abs(network.run(rgb[:, start:])[:, 2 * overlap - 2 : 2 * overlap] - nearer).max() > 0


WRAPPED: dict[str, Callable[[State], Any]] = {
    "bare": lambda state: state,
    "params": lambda state: {"params": state},
    "smoothed": lambda state: {"params": {"a": torch.ones(1)}, "params_ema": state},
    "state_dict": lambda state: {"epoch": 3, "state_dict": state},
    "parallel": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "parameters": lambda state: {n: torch.nn.Parameter(tensor) for n, tensor in state.items()},
}


@pytest.mark.parametrize("wrapped", WRAPPED)
@pytest.mark.parametrize("save", [zipped, legacy])
def test_wrappers_are_taken_off(save: Save, wrapped: str, tmp_path: Path) -> None:
    rgb = picture(8, 8)
    for state in (rrdb(ups=1, blocks=1), compact()):
        wanted = opened(zipped(state), tmp_path).run(rgb)
        found = opened(save(WRAPPED[wrapped](state)), tmp_path).run(rgb)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("save", [zipped, safetensors.torch.save])
def test_files_of_any_precision_are_read(save: Save, dtype: torch.dtype, tmp_path: Path) -> None:
    state = {name: tensor.to(dtype) for name, tensor in compact().items()}
    rgb = picture(8, 8)
    wanted = compact_twin(state, torch.from_numpy(rgb[None]).double(), 2)
    agree(opened(save(state), tmp_path).run(rgb), wanted)


def test_a_cpu_computes_in_float32(tmp_path: Path) -> None:
    rgb = picture(8, 8)
    wanted = opened(zipped(compact()), tmp_path).run(rgb)
    network = open_esrgan(str(tmp_path / "a.pth"), CPU, torch.bfloat16)
    np.testing.assert_array_equal(network.run(rgb), wanted)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_comes_near(dtype: torch.dtype) -> None:
    rgb = picture(16, 16)
    for network, state in ((esrgan._rrdb, rrdb()), (esrgan._compact, compact())):
        full = esrgan._Network(network(state), CPU, torch.float32)
        half = esrgan._Network(network(state), CPU, dtype)  # as a card does
        difference = np.abs(half.run(rgb) - full.run(rgb))
        assert 0 < difference.max() < 0.05


def test_threads_share_an_engine(tmp_path: Path) -> None:
    network = opened(zipped(rrdb()), tmp_path)
    pictures = [picture(24, width) for width in range(16, 32)]
    wanted = [network.run(rgb) for rgb in pictures]
    with ThreadPoolExecutor(4) as pool:
        for found, alone in zip(pool.map(network.run, pictures), wanted, strict=True):
            np.testing.assert_array_equal(found, alone)


def test_the_input_may_be_a_view_that_is_not_to_be_written_to(tmp_path: Path) -> None:
    network = opened(zipped(compact()), tmp_path)
    grey = np.broadcast_to(picture(8, 8)[:1], (3, 8, 8))
    np.testing.assert_array_equal(network.run(grey[:, ::-1]), network.run(grey[:, ::-1].copy()))


def test_tiles_are_smaller_where_features_are_many() -> None:
    sides = []
    for features, growth in ((32, 16), (64, 32), (256, 128)):
        network = esrgan._rrdb(rrdb(features=features, growth=growth, blocks=1))
        geometry = esrgan._Network(network, CPU, torch.float32).geometry
        sides.append(geometry.tile)
        assert 4 * (5 * features + 8 * growth) * (geometry.tile + 64) ** 2 <= esrgan.MEMORY
    assert sides == sorted(sides, reverse=True)
    assert sides[1] == 224


def test_a_picture_too_large_for_the_memory_is_told(tmp_path: Path) -> None:
    network = opened(zipped(compact(features=1024, layers=1)), tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + (1 << 29), limits[1]))
    try:
        for side in (1 << 10, 1 << 20):  # the features do not fit, and the picture itself
            with pytest.raises(ItemError, match="not enough memory for it: try a smaller --tile"):
                network.run(np.broadcast_to(np.float32(0), (3, side, side)))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def test_what_can_be_executed_is_refused_and_not_run(tmp_path: Path) -> None:
    flag = tmp_path / "owned"
    payload = Evil(str(flag))
    for data in (zipped({"params": payload}), legacy({"params": payload})):
        assert "system" in refused(data, tmp_path)
    refused(pickle.dumps(payload), tmp_path)
    assert not flag.exists()
    pickle.loads(pickle.dumps(payload))  # so that it is worth refusing
    assert flag.exists()


def test_a_pickled_module_is_refused_by_its_name(tmp_path: Path) -> None:
    assert "torch.nn.modules" in refused(zipped(torch.nn.Conv2d(3, 3, 3)), tmp_path)


def changed(state: State, **tensors: Tensor | None) -> bytes:
    """A file with some tensors replaced, or without them; `__` stands for a dot."""
    state |= {name.replace("__", "."): tensor for name, tensor in tensors.items()}  # type: ignore[misc]
    return zipped({name: tensor for name, tensor in state.items() if tensor is not None})


OTHERS: dict[str, tuple[bytes, str]] = {
    "an empty file": (b"", "empty file"),
    "a text": (b"a text, longer than the head of any file", "neither a torch.save"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(99), "neither a torch.save"),
    "a bare pickle": (pickle.dumps({"a": 1}), "neither a torch.save"),
    "a truncated zip": (zipped(compact())[:-99], "truncated"),
    "a truncated legacy file": (legacy(compact())[:-99], "a truncated file"),
    "truncated safetensors": (safetensors.torch.save(compact())[:-99], "broken or truncated"),
    "a long header": ((1 << 40).to_bytes(8, "little") + b"{}", "neither a torch.save"),
    "unknown numbers": (
        (62).to_bytes(8, "little")
        + b'{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}'.ljust(62)
        + b"a",
        "broken or truncated",
    ),
    "a list": (zipped([torch.ones(2)]), "not hold named tensors"),
    "nothing": (zipped({}), "not hold named tensors"),
    "an optimizer": (
        zipped(torch.optim.Adam([torch.nn.Parameter(torch.ones(2))]).state_dict()),
        "'state' in it is not a tensor",
    ),
    "a StyleGAN": (zipped({"g_ema": {"style.1.weight": torch.ones(2, 2)}}), "'g_ema' in it"),
    "a classifier": (
        zipped({"layer1.0.conv1.weight": torch.ones(2, 2, 3, 3)}),
        "conv_first.weight",
    ),
    "a tensor too many": (changed(rrdb(), extra__weight=torch.ones(1)), "'extra.weight', which"),
    "a tensor missing": (changed(rrdb(), conv_hr__bias=None), "no tensor conv_hr.bias"),
    "a block missing": (
        zipped({n: t for n, t in rrdb(blocks=3).items() if not n.startswith("body.1.")}),
        "no tensor body.1.rdb1.conv1.weight",
    ),
    "no block": (zipped(rrdb(blocks=0)), "no tensor body.0.rdb1.conv1.weight"),
    "a wrong shape": (changed(rrdb(), conv_hr__bias=torch.ones(9)), "is (9,), not (8,)"),
    "wrong axes": (
        changed(rrdb(), conv_first__weight=torch.ones(8, 3)),
        "not a convolution of these networks",
    ),
    "no axis": (
        changed(compact(), body__0__weight=torch.tensor(1.0)),
        "not a convolution of these networks",
    ),
    "whole numbers": (
        changed(rrdb(), conv_hr__bias=torch.ones(8, dtype=torch.int64)),
        "conv_hr.bias holds integers",
    ),
    "NaN": (changed(rrdb(), conv_hr__bias=torch.full((8,), torch.nan)), "NaN or infinite"),
    "infinity": (changed(compact(), body__1__weight=torch.full((8,), torch.inf)), "NaN or"),
    "too large for float32": (
        changed(compact(), body__1__weight=torch.full((8,), 1e300, dtype=torch.float64)),
        "NaN or",
    ),
    "grey pictures": (zipped(rrdb(channels=1)), "pictures of 1 channels, not RGB"),
    "folded by three": (zipped(rrdb(channels=27)), "pictures of 27 channels, not RGB"),
    "a network that reduces": (zipped(rrdb(ups=0, channels=12)), "enlarges by 0.5"),
    "sixteenfold": (zipped(rrdb(ups=4)), "enlarges by 16"),
    "too wide": (
        changed(compact(), body__0__weight=torch.ones(2000, 3, 3, 3)),
        "not a convolution of these networks",
    ),
    "a scale that is none": (
        changed(compact(), body__6__weight=torch.ones(11, 8, 3, 3)),
        "gives 11 channels",
    ),
    "a large scale": (zipped(compact(scale=9)), "gives 243 channels"),
    "one layer": (zipped(compact(layers=0)), "gives 12 channels"),
    "one tensor twice": (changed(rrdb(), trunk_conv__bias=torch.ones(8)), "'conv_body.bias' twice"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_files_are_refused_with_the_reason(kind: str, tmp_path: Path) -> None:
    data, reason = OTHERS[kind]
    assert reason in refused(data, tmp_path)


def test_tensors_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    all_of_them = torch.ones(100_000)
    state = {f"body.{i}.weight": all_of_them for i in range(99)}
    assert "share their bytes" in refused(zipped(state), tmp_path)


def test_many_parts_are_refused_before_they_are_built(tmp_path: Path) -> None:
    state = {f"body.{i}.weight": torch.ones(8, 8, 3, 3) for i in range(300)}
    assert "too many layers: 300" in refused(zipped(state), tmp_path)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"none\.pth cannot be read: No such file or directory"):
        open_esrgan(str(tmp_path / "none.pth"), CPU, torch.float32)
    with pytest.raises(FatalError, match="not a file"):
        open_esrgan(str(tmp_path), CPU, torch.float32)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_is_refused_or_does_no_harm(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    saves: list[Save] = [zipped, legacy, safetensors.torch.save]
    save = data.draw(st.sampled_from(saves))
    content = bytearray(save(compact(features=2, layers=1)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.pth"
    path.write_bytes(content)
    try:
        network = open_esrgan(str(path), CPU, torch.float32)
    except FatalError as why:
        assert "\n" not in str(why)
    else:
        assert network.run(picture(8, 8)).shape == (3, 16, 16)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_card_comes_near_the_cpu(dtype: torch.dtype, tmp_path: Path, card: torch.device) -> None:
    rgb = picture(40, 36)
    for state in (rrdb(), compact()):
        wanted = opened(zipped(state), tmp_path).run(rgb)
        network = open_esrgan(str(tmp_path / "a.pth"), card, dtype)
        assert np.abs(network.run(rgb) - wanted).max() < 0.05


def test_a_card_without_memory_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 GiB.")

    network = opened(zipped(compact()), tmp_path)
    monkeypatch.setattr(torch.nn.functional, "pixel_shuffle", full)
    with pytest.raises(ItemError, match="not enough memory for it: try a smaller --tile"):
        network.run(picture(8, 8))
