"""Files of other programs, which are not read: the names of their tensors show what they are."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NoReturn

import numpy as np
from torch import Tensor

from animetools.netfiles.machine import Call, refuse

MOST = 20_000  # names, lists and dicts that are looked at
DEEPEST = 12
LONGEST, SHOWN = 300, 80  # characters of a name, at all and in a sentence

# What a file is, and patterns that show it: each is in the name of some tensor.
STYLEGANS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("a part of a StyleGAN2 of lucidrains", (r"\bblocks\.\d+\.to_style1\.",)),
    ("a StyleGAN2 in the layout of BasicSR and GFPGAN", (r"\bstyle_mlp\.", r"\bconstant_input\.")),
    ("a StyleGAN in the layout of MMGeneration", (r"\bstyle_mapping\.",)),
    (
        "a StyleGAN in another layout than the usual of GenForce",
        (r"\bmapping\.dense0\.", r"\bsynthesis\.\w*layer"),
    ),
    ("a StyleGAN 1 in rosinality's layout", (r"\bprogression\.\d+\.conv",)),
    ("a StyleGAN 1 in lernapparat's layout", (r"\bblocks\.4x4\.",)),
    ("a StyleGAN-T", (r"\bsynthesis\.", r"\b(clip|dino)\.")),
    ("a StyleGAN-XL", (r"\bsynthesis\.input\.", r"\b(feature_networks?|embed_proj)\b")),
    ("the tensors of a StyleGAN3 without its settings", (r"\bsynthesis\.(input\.|L\d+_\d+)",)),
    ("an EG3D", (r"\bbackbone\.synthesis\.", r"\bsuperresolution\.")),
    ("the tensors of a StyleGAN2-ADA without its settings", (r"\bsynthesis\.b4\.const$",)),
    ("a part of a StyleGAN2 in rosinality's layout", (r"\bto_rgbs?\d?\.(\d+\.)?conv\.modulation",)),
    (
        "an encoder of e4e or pSp without its generator",
        (r"\binput_layer\.0\.", r"\bbody\.\d+\.(res|shortcut)_layer\."),
    ),
)
OTHERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("a lightweight GAN of lucidrains", (r"\binitial_conv\.0\.", r"\b(out_conv|layers\.0\.0)\.")),
    ("a FastGAN", (r"\binit\.init\.", r"\b(feat|se)_\d+\.")),
    ("an MSG-GAN", (r"\blayers\.\d+\.conv_1\.", r"\brgb_converters\.")),
    ("a Progressive GAN", (r"\b(scaleLayers|toRGBLayers|formatLayer)\.",)),
    ("a BigGAN", (r"\bblocks\.\d+\.\d+\.(conv1|bn1)\.", r"\b(shared|linear\d?)\.weight")),
    ("a BigGAN", (r"\bgen_z\.",)),
    ("an R3GAN", (r"\bMainLayers\.\d+\.",)),
    ("a DCGAN", (r"\bmain\.0\.weight$", r"\bmain\.\d+\.running_mean$")),
    ("a CycleGAN or pix2pix", (r"\bmodel\.\d+\.conv_block\.|\bmodel\.model\.1\.model\.",)),
    ("an ESRGAN upscaler, for animeupscale --model", (r"\b(RDB1|rdb1)\.conv1\.|\bRRDB_trunk\.",)),
    ("an upscaler, perhaps for animeupscale --model", (r"\bconv_first\.weight$",)),
    ("a LoRA", (r"lora_(unet|te\d?|up|down|A|B)(_|\.|$)|\blora\.(up|down)\.",)),
    ("a ControlNet", (r"\bcontrol_model\.|\bcontrolnet_",)),
    ("a textual inversion", (r"\b(emb_params|string_to_param)\b",)),
    ("a Stable Diffusion checkpoint", (r"\bmodel\.diffusion_model\.|\bfirst_stage_model\.",)),
    ("a diffusion model", (r"\b(down_blocks|input_blocks|downs)\.\d", r"\btime_(embed|mlp)")),
    ("a diffusion model", (r"\b(double_blocks|joint_blocks|transformer_blocks)\.\d",)),
    ("a VQGAN", (r"\bquantize\.embedding\.",)),
    ("a diffusion model's VAE", (r"\bquant_conv\.|\bdecoder\.(up_blocks|up)\.\d",)),
    ("a CLIP", (r"\btext_model\.|\bvision_model\.|\btext_projection|\bvisual\.transformer\.",)),
    ("a language model", (r"\b(wte|lm_head|embed_tokens|word_embeddings)\.weight$",)),
    ("a vision transformer", (r"\bpatch_embed\.|\bblocks\.0\.attn\.qkv\.",)),
    ("a YOLO", (r"\bmodel\.\d+\.(anchors|dfl|cv\d|m\.0)\b|\bmodel\.0\.conv\.weight$",)),
    ("an Inception network", (r"\bMixed_5b\.",)),
    ("a ResNet", (r"\blayer1\.0\.conv1\.weight$",)),
    ("a VGG", (r"\bfeatures\.0\.weight$", r"\bclassifier\.\d\.weight$")),
)
_Part = tuple[str, Any, int]  # its name, itself, how deep it lies
_OPTIMIZER = re.compile(r"\bstate\.\d+\.\w+$|\b(exp_avg|exp_avg_sq|momentum_buffer)$")


def refuse_foreign(value: Any, unknown: str) -> NoReturn:
    """Raise the ItemError of a file without a network that can be read; `value` is what is in it.

    The sentence says what the file is, or, if that is not known, `unknown` and what is in it.
    """
    names = [name for name in tensor_names(value) if not _OPTIMIZER.search(name)]
    for layout in (layout for layout, shown in STYLEGANS if _are_shown(names, shown)):
        refuse(f"{layout}, which is not supported yet")
    for layout in (layout for layout, shown in OTHERS if _are_shown(names, shown)):
        refuse(f"{layout}, not a StyleGAN")
    if names:
        count = f"{len(names):,} tensor{'s' * (len(names) > 1)}"
        example = f", such as {names[0]!a:.{SHOWN}}" if names[0] else ""
        refuse(f"{unknown}; it has {count}{example}")
    if any(tensor_names(value)):
        refuse("the state of an optimizer, not a StyleGAN")
    refuse(f"{unknown}; it has no tensors")


def tensor_names(value: Any) -> Iterator[str]:
    """The dotted names of the tensors and arrays in a value of `pickles`."""
    waiting: list[_Part] = [("", value, 0)]
    for _ in range(MOST):  # the same list may be in a pickle's lists a million times
        if not waiting:
            return
        path, value, depth = waiting.pop()
        match value:
            case Tensor() | np.ndarray():
                yield path
            case Call(args=({"state": dict(state)},)) if depth < DEEPEST:  # a module of ADA's
                parts = [state.get(part) for part in ("_modules", "_buffers", "_parameters")]
                waiting += [(path, part, depth) for part in parts if type(part) is dict]
            case dict() if depth < DEEPEST:
                waiting += _named(path, value.items(), depth)
            case list() | tuple() if depth < DEEPEST:
                waiting += _named(path, enumerate(value), depth)


def _named(path: str, parts: Iterable[tuple[object, Any]], depth: int) -> list[_Part]:
    """What is in a dict or a list, in reverse order."""
    dot = path and f"{path}."
    named = [(f"{dot}{key!s:.{LONGEST}}"[:LONGEST], v, depth + 1) for key, v in islice(parts, MOST)]
    return named[::-1]


def _are_shown(names: list[str], patterns: tuple[str, ...]) -> bool:
    return all(any(re.search(pattern, name) for name in names) for pattern in patterns)
