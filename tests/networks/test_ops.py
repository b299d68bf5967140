"""What layers do to tensors: like the original programs, like their definitions, twice smooth."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from animetools.networks import ops
from animetools.networks.activation import activate, scaled
from animetools.networks.layers import Dense, Scheme
from tests.netfiles.goldens import GOLDEN, error

KERNELS = {"1331": (1, 3, 3, 1), "asym1235": (1, 2, 3, 5), "None": (1, 1)}
ROOT2 = math.sqrt(2)


class Case(dict[str, Tensor]):
    """The tensors of one golden operation, in torch's layouts."""

    @property
    def x(self) -> Tensor:
        return self["x"]

    @property
    def taps(self) -> Tensor:
        return ops.resampling(KERNELS[self.name.rpartition("_")[2]])

    def __init__(self, generation: str, name: str) -> None:
        self.name = name
        with np.load(GOLDEN / "tf" / f"ops_{generation}.npz") as file:
            for key in file.files:
                op, _, rest = key.partition("|")
                if op == name:
                    self[rest.removeprefix("var|")] = torch.from_numpy(file[key])

    def weight(self, gain: float = 1.0, *, turned: bool = False) -> Tensor:
        """The convolution's, as it is used."""
        weight = self["weight"].permute(3, 2, 0, 1)
        return (weight.flip(2, 3) if turned else weight) * gain / math.sqrt(weight[0].numel())

    def dense(self, name: str = "", **more: Any) -> Dense:
        """The dense layer, with the golden numbers."""
        weight, bias = self[f"{name}weight"], self[f"{name}bias"]
        layer = Dense(*weight.shape, **more)
        layer.load_state_dict({"weight": weight.T, "bias": bias})
        return layer


def modulated(case: Case, **more: Any) -> Tensor:
    style = (
        1 + case["w"] @ case["mod_weight"] / math.sqrt(len(case["mod_weight"])) + case["mod_bias"]
    )
    weight = case["weight"].permute(3, 2, 0, 1)
    return demodulated(case.x, weight.flip(2, 3) if "up" in more else weight, style, **more)


def demodulated(x: Tensor, weight: Tensor, style: Tensor, **more: Any) -> Tensor:
    """A modulated convolution and what is left to the activation."""
    x, scale = ops.modulated_conv(x, weight, style, **more)
    return x if scale is None else scaled(x, scale)


def styled(case: Case) -> Tensor:
    style: Tensor = case.dense("StyleMod|")(case["w"])
    scale, shift = style[:, :, None, None].chunk(2, 1)
    return case.x * (scale + 1) + shift


MEAN = ops.resampling((1, 1))
STYLEGAN: dict[str, Callable[[Case], Tensor]] = {
    "blur121": lambda c: ops.blur(c.x, ops.low_pass((1, 2, 1)), "same"),
    "upscale2d": lambda c: ops.upsample(c.x, MEAN),
    "downscale2d": lambda c: ops.downsample(c.x, MEAN),
    "upscale_conv_fused": lambda c: ops.conv_up(c.x, c.weight(ROOT2), MEAN),
    "upscale_conv_unfused": lambda c: ops.conv_up(c.x, c.weight(ROOT2, turned=True), MEAN),
    "conv_downscale_fused": lambda c: ops.conv_down(c.x, c.weight(ROOT2), MEAN),
    "conv_downscale_unfused": lambda c: ops.conv_down(c.x, c.weight(ROOT2), MEAN),
    "conv3_gain_sqrt2": lambda c: ops.conv(c.x, c.weight(ROOT2)),
    "dense_lrmul": lambda c: c.dense(scheme=Scheme(weight_gain=ROOT2), lrmul=0.01)(c.x),
    "lrelu": lambda c: activate(c.x, None, "lrelu"),
    "pixel_norm_z": lambda c: ops.normalize(c.x),
    "instance_norm": lambda c: ops.normalize_instances(c.x),
    "style_mod": styled,
    "noise": lambda c: c.x + c["noise"] * c["Noise|weight"].view(-1, 1, 1),
    "mbstd_g4_f1": lambda c: ops.minibatch_deviation(c.x, 4, 1),
    "mbstd_g4_f3": lambda c: ops.minibatch_deviation(c.x, 4, 3),
}
STYLEGAN2: dict[str, Callable[[Case], Tensor]] = {
    "modconv3": modulated,
    "modconv3_up": lambda c: modulated(c, up=ops.resampling((1, 3, 3, 1))),
    "modconv1_nodemod": lambda c: modulated(c, demodulate=False),
    "bias_lrelu": lambda c: activate(c.x, c["bias"], "lrelu", ROOT2),
    "dense_lrmul_lrelu": lambda c: c.dense(scheme=Scheme("lrelu", 1, ROOT2), lrmul=0.01)(c.x),
    "mbstd_g32_f4": lambda c: ops.minibatch_deviation(c.x, 32, 4),
    "upsample_2d_None": lambda c: ops.upsample(c.x, c.taps),
    "downsample_2d_None": lambda c: ops.downsample(c.x, c.taps),
}
for kernel in ("1331", "asym1235"):
    STYLEGAN2 |= {
        f"upsample_2d_{kernel}": lambda c: ops.upsample(c.x, c.taps),
        f"downsample_2d_{kernel}": lambda c: ops.downsample(c.x, c.taps),
        f"filter_2d_{kernel}": lambda c: ops.blur(functional.pad(c.x, (2, 1, 2, 1)), c.taps, 0),
        f"upsample_conv3_{kernel}": lambda c: ops.conv_up(c.x, c.weight(turned=True), c.taps),
        f"conv3_downsample_{kernel}": lambda c: ops.conv_down(c.x, c.weight(), c.taps),
        f"upsample_conv1_{kernel}": lambda c: ops.upsample(ops.conv(c.x, c.weight()), c.taps),
        f"conv1_downsample_{kernel}": lambda c: ops.conv(ops.downsample(c.x, c.taps), c.weight()),
    }


@pytest.mark.parametrize("name", STYLEGAN)
def test_operation_of_stylegan_1(name: str) -> None:
    case = Case("stylegan", name)
    assert error(STYLEGAN[name](case), case["y"]) < 1e-6


@pytest.mark.parametrize("name", STYLEGAN2)
def test_operation_of_stylegan_2(name: str) -> None:
    case = Case("stylegan2", name)
    assert error(STYLEGAN2[name](case), case["y"]) < 1e-6


def test_every_golden_operation_is_tested() -> None:
    for generation, tested in (("stylegan", STYLEGAN), ("stylegan2", STYLEGAN2)):
        with np.load(GOLDEN / "tf" / f"ops_{generation}.npz") as file:
            assert {key.partition("|")[0] for key in file.files} == set(tested)


def by_definition(x: Tensor, kernel: list[float], zeros: int, pads: tuple[int, int]) -> Tensor:
    """Insert zeros after each pixel, pad before and after, convolve."""
    spread = x.new_zeros(*x.shape[:2], x.shape[2] * zeros, x.shape[3] * zeros)
    spread[:, :, ::zeros, ::zeros] = x
    taps = torch.outer(torch.tensor(kernel), torch.tensor(kernel)).double() / sum(kernel) ** 2
    padded = functional.pad(spread, pads * 2)
    rows = padded.unfold(2, len(kernel), 1).unfold(3, len(kernel), 1)
    return (rows * taps.flip(0, 1)).sum((4, 5))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from([1.0, 2.0, 3.0, 5.0, 7.0]), min_size=2, max_size=7))
def test_any_kernel_resamples_by_definition(kernel: list[float]) -> None:
    x, weight = torch.randn(1, 2, 6, 8).double(), torch.randn(3, 2, 3, 3).double()
    taps, m = ops.resampling(kernel).double(), len(kernel)
    p = m - 2
    up = 4 * by_definition(x, kernel, 2, ((p + 1) // 2 + 1, p // 2))
    down = by_definition(x, kernel, 1, ((p + 1) // 2, p // 2))[:, :, ::2, ::2]
    q = m - 2 - 2
    wide = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    conv_up = 4 * by_definition(wide, kernel, 1, ((q + 1) // 2 + 1, q // 2 + 1))
    q = m - 2 + 2
    narrow = by_definition(x, kernel, 1, ((q + 1) // 2, q // 2))
    conv_down = functional.conv2d(narrow, weight, stride=2)
    for found, wanted in (
        (ops.upsample(x, taps), up),
        (ops.downsample(x, taps), down),
        (ops.conv_up(x, weight, taps), conv_up),
        (ops.conv_down(x, weight, taps), conv_down),
    ):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)  # the taps are float32


@pytest.mark.parametrize("up", [None, ops.resampling((1, 3, 3, 1))])
@pytest.mark.parametrize("demodulate", [True, False])
def test_modulation_is_a_convolution_with_weights_of_each_image(
    up: Tensor | None, demodulate: bool
) -> None:
    x, weight, style = torch.randn(3, 5, 6, 6), torch.randn(4, 5, 3, 3), torch.randn(3, 5) + 1
    own = weight[None] / math.sqrt(45) * style[:, None, :, None, None]
    if demodulate:
        own = own / (own.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    if up is None:
        grouped = functional.conv2d(
            x.view(1, 15, 6, 6), own.reshape(12, 5, 3, 3), padding=1, groups=3
        )
        wanted = grouped.view(3, 4, 6, 6)
    else:
        wanted = torch.cat([ops.conv_up(x[i : i + 1], own[i], up) for i in range(3)])
    found = demodulated(x, weight, style, up=up, demodulate=demodulate)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_strong_styles_stay_finite_in_half_precision() -> None:
    x, weight = torch.randn(1, 64, 4, 4).half(), torch.randn(8, 64, 3, 3).half()
    style = torch.full((1, 64), 30000.0).half()
    found = demodulated(x, weight, style).float()
    wanted = demodulated(x.float(), weight.float(), style.float())
    torch.testing.assert_close(found, wanted, rtol=1e-2, atol=1e-2)


def test_an_image_alone_deviates_by_a_ten_thousandth() -> None:
    for x in (torch.randn(1, 4, 2, 2), torch.randn(3, 4, 2, 2), torch.randn(2, 4, 2, 2).half()):
        appended = ops.minibatch_deviation(x, 1, 2)
        assert appended.shape[1] == 6
        assert torch.equal(appended[:, :4], x)
        torch.testing.assert_close(appended[:, 4:], torch.full_like(appended[:, 4:], 1e-4))


def test_a_batch_that_does_not_divide_into_groups_is_refused() -> None:
    with pytest.raises(ValueError, match="a batch of 6 images does not divide into groups of 4"):
        ops.minibatch_deviation(torch.randn(6, 4, 2, 2), 4, 1)


def real(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


TAPS = ops.resampling((1, 3, 3, 1)).double()
SMOOTH: dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = {
    "upsample": (lambda x: ops.upsample(x, TAPS), (real(1, 2, 3, 3),)),
    "downsample": (lambda x: ops.downsample(x, TAPS), (real(1, 2, 4, 4),)),
    "conv_up": (lambda x, w: ops.conv_up(x, w, TAPS), (real(1, 2, 3, 3), real(2, 2, 3, 3))),
    "conv_down": (lambda x, w: ops.conv_down(x, w, TAPS), (real(1, 2, 4, 4), real(2, 2, 3, 3))),
    "modulated_conv": (demodulated, (real(2, 2, 3, 3), real(2, 2, 3, 3), real(2, 2))),
    "normalize": (ops.normalize, (real(2, 3),)),
    "normalize_instances": (ops.normalize_instances, (real(1, 2, 3, 3),)),
    "activate": (lambda x, b: activate(x, b, "lrelu", 2.0, 9.0), (real(2, 3), real(3))),
    "minibatch_deviation": (lambda x: ops.minibatch_deviation(x, 2, 1), (real(4, 2, 2, 2),)),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_operation_differentiates_twice(name: str) -> None:
    operation, inputs = SMOOTH[name]
    assert torch.autograd.gradcheck(operation, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(operation, inputs, fast_mode=True)
