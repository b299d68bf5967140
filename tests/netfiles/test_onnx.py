"""The ONNX model of a generator from z: the same images for any batch, class and psi."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from animetools.netfiles.networkfile import SavedNetwork
from animetools.netfiles.onnx import encode
from animetools.networks.config import MappingConfig
from animetools.networks.families import kind_of
from animetools.networks.generator import Generator
from animetools.networks.stylegan1.config import StyleGAN1GeneratorConfig
from animetools.networks.stylegan2.config import StyleGAN2GeneratorConfig
from tests.netfiles import sg3

MAPPING = MappingConfig(z_dim=6, w_dim=5, layers=2, width=7, c_dim=2, labels="concat")


@pytest.mark.slow
def test_the_model_gives_the_images_of_the_network() -> None:
    config = StyleGAN1GeneratorConfig(MAPPING, (4, 4))
    torch.manual_seed(0)
    state = {
        name: value + 1e-3 for name, value in kind_of(config).module(config).state_dict().items()
    }
    state["synthesis.lod"].fill_(0.25)
    network = SavedNetwork(config, state)
    generator = network.build()
    assert isinstance(generator, Generator)
    model = encode(network)
    graph = onnx.load_from_string(model).graph
    sizes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert sizes == {"z": ["n", 6], "c": ["n", 2], "psi": [], "images": ["n", 3, 8, 8]}
    assert b"/ops.py" not in model  # where on this machine the code lies
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for count, psi in ((1, 1.0), (5, -0.5)):
        z, c = torch.randn(count, 6), torch.eye(2)[[i % 2 for i in range(count)]]
        given = {"z": z.numpy(), "c": c.numpy(), "psi": np.asarray(psi, np.float32)}
        (found,) = session.run(None, given)
        wanted = generator(z, c, psi, config.truncation.cutoff)
        torch.testing.assert_close(torch.from_numpy(found), wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_a_stylegan_3_keeps_its_transform() -> None:
    network = sg3.read("m32")[0].generator
    network.state["synthesis.input.transform"][0, 2] = 0.25
    generator = network.build()
    assert isinstance(generator, Generator)
    model = encode(network)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    z = torch.randn(2, generator.config.mapping.z_dim)
    (found,) = session.run(None, {"z": z.numpy(), "psi": np.asarray(1, np.float32)})
    torch.testing.assert_close(torch.from_numpy(found), generator(z), rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_wide_layers_are_plain_convolutions() -> None:
    config = StyleGAN2GeneratorConfig(MappingConfig(z_dim=6, w_dim=6, layers=1), (4, 4, 4, 128))
    torch.manual_seed(0)
    state = kind_of(config).module(config).state_dict()
    graph = onnx.load_from_string(encode(SavedNetwork(config, state))).graph
    assert "Conv" in {node.op_type for node in graph.node}
