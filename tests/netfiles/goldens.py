"""The golden networks of tests/golden, rebuilt from their recipes.

ada/ is of the PyTorch generation, tf/ of the TensorFlow ones: a .json says what a network is and a
.npz what came out of the original program. The weights follow from each tensor's name.
"""

import json
import pickle
import sys
import zlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from animetools.netfiles.networkfile import NetworkFile
from animetools.networks.config import MappingConfig
from animetools.networks.generator import Generator
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)
from tests.conftest import ROOT

Array = npt.NDArray[Any]
GOLDEN = ROOT / "tests/golden"
ADA = sorted(path.stem for path in (GOLDEN / "ada").glob("*.npz"))
TF = sorted(path.stem for path in (GOLDEN / "tf").glob("*.json"))


def ada(name: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """What a golden network is, and its results."""
    folder = GOLDEN / "ada"
    info = json.loads((folder / f"{name}.json").read_text())
    with np.load(folder / f"{name}.npz") as results:
        return info, dict(results)


def ada_config(info: dict[str, Any]) -> StyleGAN2GeneratorConfig | StyleGAN2DiscriminatorConfig:
    """Its config, from the arguments that made it."""
    given = info["init_kwargs"]
    more = given.get("synthesis_kwargs", given)
    count = given["img_resolution"].bit_length() - 2
    channels = tuple(
        min(more["channel_base"] // (4 << i), more["channel_max"]) for i in range(count)
    )
    c_dim = given["c_dim"]
    lrmul = info["mapping_lr_multiplier"]
    if info["kind"] == "discriminator":
        last = given["epilogue_kwargs"]
        return StyleGAN2DiscriminatorConfig(
            channels,
            architecture=given.get("architecture", "resnet"),
            dense=channels[0],
            c_dim=c_dim,
            mapping=MappingConfig(0, c_dim, channels[0], 8, channels[0], lrmul) if c_dim else None,
            mbstd_group=last["mbstd_group_size"],
            mbstd_features=last.get("mbstd_num_channels", 1),
        )
    layers = given["mapping_kwargs"]["num_layers"]
    width = given["w_dim"]
    return StyleGAN2GeneratorConfig(
        MappingConfig(given["z_dim"], c_dim, width, layers, width, lrmul),
        channels,
        architecture=more.get("architecture", "skip"),
    )


def ada_state(info: dict[str, Any]) -> dict[str, Tensor]:
    """Its tensors, by the recipe of the golden files."""
    lrmul = info["mapping_lr_multiplier"]
    state = {}
    for name, shape in info["state"]:
        if name.endswith("resample_filter"):
            continue
        random = np.random.RandomState(zlib.crc32(name.encode()))
        value = np.asarray(random.standard_normal(shape), np.float32)
        scale, offset = 1.0, 0.0
        if name.endswith("affine.bias"):
            scale, offset = 0.1, 1.0
        elif "mapping.fc" in name:
            scale = (0.1 if name.endswith("bias") else 1.0) / lrmul
        elif name.endswith(("bias", "noise_strength", "w_avg")):
            scale = 0.1
        state[name] = torch.tensor(value * np.float32(scale) + np.float32(offset))
    return state


def tf(name: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """What a golden network is, and its results."""
    folder = GOLDEN / "tf"
    info = json.loads((folder / f"{name}.json").read_text())
    with np.load(folder / f"{name}.npz") as results:
        return info, dict(results)


def tf_value(name: str, shape: list[int], info: dict[str, Any]) -> Array:
    """A variable by its full name, by the recipe of the golden files."""
    leaf = name.rpartition("/")[2]
    scale, offset = 1.0, 0.0
    if leaf == "lod":
        scale, offset = 0.0, info["lod"]
    elif leaf == "dlatent_avg":
        scale = 0.3
    elif name.startswith("G_mapping/Dense"):
        scale = (1.0 if leaf == "weight" else 0.2) / info["mapping_lrmul"]
    elif leaf == "noise_strength":
        scale, offset = 0.1, 0.1
    elif name.endswith("/Noise/weight"):
        scale = 0.1
    elif leaf in ("bias", "mod_bias") or ("ToRGB" in name and leaf == "weight"):
        scale = 0.2
    random = np.random.RandomState(zlib.crc32(name.encode()))
    value = np.asarray(random.standard_normal(shape), np.float32)
    return np.asarray(value * np.float32(scale) + np.float32(offset), np.float32)


def tf_file(name: str, protocol: int = 4) -> bytes:
    """A golden network as the original programs write it: a pickle of (G, D, Gs), here G = Gs.

    Its source text raises where it is executed, and says what the network's does where it is read.
    """
    info, _ = tf(name)
    names = ["dnnlib", "dnnlib.tflib", "dnnlib.tflib.network"]
    place = {"__module__": names[-1], "__getstate__": lambda self: self.__dict__}
    kind = type("Network", (), place)

    def network(spec: dict[str, Any], prefix: str = "", called: str = "") -> Any:
        made = kind()
        made.version = info["state_version"]
        made.name = called or spec["name"]
        made.static_kwargs = spec["static_kwargs"]
        made.components = {
            key: network(part, f"{prefix}{part['name']}/")
            for key, part in spec["components"].items()
        }
        made.build_module_src = source(spec["build_func_name"], info["source_overrides"])
        made.build_func_name = spec["build_func_name"]
        made.variables = [
            (variable, tf_value(prefix + variable, shape, info)[()])  # numpy scalars where 0-d
            for variable, shape in spec["variables"]
        ]
        return made

    modules = {module: ModuleType(module) for module in names}
    modules[names[-1]].Network = kind  # type: ignore[attr-defined]
    sys.modules.update(modules)
    try:
        networks = network(info["Gs"], called="G"), network(info["D"]), network(info["Gs"])
        return pickle.dumps(networks, protocol)
    finally:
        for module in names:
            del sys.modules[module]


def source(function: str, overrides: dict[str, dict[str, Any]]) -> str:
    """A stand-in for the source text of a network."""
    constants = overrides.get(function, {})
    signature = "".join(f", {name}=None" for name in constants) + ", num_channels=3"
    lines = ["num_channels = int(os.environ.get('COLOR_CHANNELS', '3'))"]
    for name, value in constants.items():
        doubled = type(value) is int and value and value % 2 == 0
        lines.append(f"{name} = {f'{value // 2} << 1' if doubled else repr(value)}")
    body = "".join(f"    {line}\n" for line in lines)
    return f"raise RuntimeError('never executed')\n\ndef {function}(x{signature}):\n{body}"


def generator(file: NetworkFile, name: str = "G_ema") -> Generator:
    """A generator of a file."""
    built = file.networks[name].build()
    assert isinstance(built, Generator)
    return built


def d_images(count: int, channels: int, size: int, seed: int) -> Array:
    """What the golden discriminators look at."""
    random = np.random.RandomState(seed)
    coarse = random.uniform(-1, 1, (count, channels, 4, 4)).repeat(size // 4, 2)
    fine = random.uniform(-1, 1, (count, channels, size, size))
    return (0.8 * coarse.repeat(size // 4, 3) + 0.2 * fine).astype(np.float32)


def error(found: Tensor, wanted: Tensor | Array) -> float:
    """The largest difference, as a share of the largest value wanted."""
    expected = torch.as_tensor(wanted)
    assert found.shape == expected.shape
    return float((found.detach() - expected).abs().max() / expected.abs().max())


def tf_images(generator: Generator, results: dict[str, Array]) -> Iterator[tuple[str, Tensor]]:
    """Every image that a .npz of tf/ holds, by its key, as the generator makes it now."""
    z = torch.tensor(results["z"]).float()
    c = torch.tensor(results["labels"]) if "labels" in results else None
    usual = generator.config.truncation
    ws = generator.mapping(z, c)
    mixed = torch.cat([ws[:1, :4], ws[1:, 4:]], 1)
    yield "dlatents", ws
    yield "img_default", generator(z, c, usual.psi, usual.cutoff)
    yield "syn_of_wplus", generator.synthesis(torch.tensor(results["wplus"]).float())
    yield "mix_0_1_from4", generator.synthesis(mixed)
    for key in results:
        match key.split("_"):
            case ["img", "psi", psi]:
                yield key, generator(z, c, 1.0 if psi == "None" else float(psi), usual.cutoff)
            case ["img", "psi", psi, "cutoff", cutoff]:
                rows = None if cutoff == "None" else int(cutoff)
                yield key, generator(z, c, float(psi), rows)
            case ["run", "generator", *seeds, "psi", psi]:
                for_all = None if c is None else c[:1]
                images = []
                for seed in seeds:  # z and then every noise input are drawn from one stream
                    random = np.random.RandomState(int(seed))
                    latent = torch.tensor(random.randn(1, z.shape[1])).float()
                    noise = [
                        torch.tensor(random.randn(1, 1, *shape)) for shape in generator.noise_shapes
                    ]
                    images.append(generator(latent, for_all, float(psi), usual.cutoff, noise))
                yield key, torch.cat(images)


def tf_scores(
    discriminator: torch.nn.Module, results: dict[str, Array]
) -> Iterator[tuple[str, Tensor]]:
    """Every batch of scores that a .npz of tf/ holds, by its key."""
    seed, count, channels, size, _ = results["d_seed_and_shape"]
    images = torch.tensor(d_images(count, channels, size, seed))
    for key in results:
        if key.startswith("scores_n"):
            count = int(key.removeprefix("scores_n"))
            c = torch.tensor(results["d_labels"][:count]) if "d_labels" in results else None
            yield key, discriminator(images[:count], c)[:, None]
