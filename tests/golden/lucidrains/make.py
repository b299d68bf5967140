"""Write the golden files beside this: what the package stylegan2_pytorch computes.

    PYTHONPATH=../../.. python make.py FOLDER OLD_FOLDER

FOLDER has stylegan2_pytorch 1.9.0, kornia 0.5.11, einops and vector-quantize-pytorch 0.1.0;
OLD_FOLDER has stylegan2_pytorch 1.0.0. See README.md.
"""

import json
import sys
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch._dynamo  # before the stubs, which it would trip over

from tests.netfiles.lucid import value

torch.cuda.is_available = lambda: True  # which the package asserts, and does not need for this
NETWORKS: dict[str, dict[str, Any]] = {
    "plain": dict(image_size=32, network_capacity=2, latent_dim=16, style_depth=3),
    "rich": dict(
        image_size=16,
        network_capacity=2,
        latent_dim=12,
        style_depth=2,
        transparent=True,
        no_const=True,
        attn_layers=[1, 2],
        fq_layers=[2],
        fq_dict_size=8,
        lr_mlp=0.3,
    ),
    "old": dict(image_size=16, network_capacity=2, latent_dim=16, style_depth=2),
}


def made(module: Any, name: str) -> None:
    given = NETWORKS[name]
    with mock.patch.object(torch.nn.Module, "cuda", lambda self, *_: self):
        gan = module.StyleGAN2(**given).eval()
    own = {key: tensor for key, tensor in gan.state_dict().items() if not key.endswith(".f")}
    for key, tensor in own.items():
        tensor.copy_(value(key, [*tensor.shape]))
    size, layers = given["image_size"], gan.G.num_layers
    stream = np.random.RandomState(1)
    z = torch.tensor(stream.randn(2, given["latent_dim"]).astype(np.float32))
    noise = torch.tensor(stream.rand(2, size, size, 1).astype(np.float32))
    colors = 4 if given.get("transparent") else 3
    shown = torch.tensor(stream.rand(3, colors, size, size).astype(np.float32))
    with torch.no_grad():
        w, w_of_g = gan.SE(z), gan.S(z)
        mixed = [(w[:1], 2), (w[1:], layers - 2)]
        results = {
            "z": z,
            "noise": noise[..., 0],
            "w": w,
            "image": gan.GE(module.styles_def_to_tensor([(w, layers)]), noise),
            "image_of_g": gan.G(module.styles_def_to_tensor([(w_of_g, layers)]), noise)[:1],
            "mixed": gan.GE(module.styles_def_to_tensor(mixed), noise[:1]),
        }
        if name != "old":  # its discriminator has millions of weights
            results |= {"images": shown, "logits": gan.D(shown)[0]}
    with open(f"{name}.json", "w") as file:
        shapes = {key: [*tensor.shape] for key, tensor in gan.state_dict().items()}
        if name == "old":
            shapes = {key: shape for key, shape in shapes.items() if not key.startswith("D")}
        json.dump({"given": given, "shapes": shapes}, file)
    np.savez_compressed(f"{name}.npz", **{key: value.numpy() for key, value in results.items()})


def package(folder: str) -> Any:
    """The package in a folder, without what only its training needs."""
    for name in [name for name in sys.modules if name.startswith("stylegan2_pytorch")]:
        del sys.modules[name]
    stubs = ("fire", "tqdm", "aim", "torchvision", "linear_attention_transformer", "retry")
    for stub in stubs:
        sys.modules[stub] = mock.MagicMock()
    sys.path.insert(0, folder)
    import stylegan2_pytorch.stylegan2_pytorch as found  # type: ignore[import-not-found]

    return found


if __name__ == "__main__":
    new = package(sys.argv[1])
    made(new, "plain")
    made(new, "rich")
    made(package(sys.argv[2]), "old")
