"""What is in a network file, whichever program wrote it: configs, tensors and facts."""

import os
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from animetools.errors import ItemError
from animetools.netfiles.configs import config_from_json, config_to_json
from animetools.netfiles.pickles import refuse_shared
from animetools.networks.config import Config, GeneratorConfig
from animetools.networks.families import kind_of

Layout = Literal[
    "tensorflow", "pytorch", "animetools", "safetensors", "rosinality", "lucidrains", "genforce"
]


@dataclass(frozen=True)
class SavedNetwork:
    """A network as a file stores it: its config, and the state of its module."""

    config: Config
    state: dict[str, Tensor]

    def __post_init__(self) -> None:
        """Raise ItemError for a config that no module can be built from."""
        config_from_json(config_to_json(self.config))

    def build(self) -> nn.Module:
        """The module, in float32, for evaluation and without gradients.

        It is made without memory of its own and then takes the tensors of `state`, so that nothing
        is allocated before every name and shape is checked. So a tensor that a module computes once
        and does not keep in its state must be made with `device="cpu"`.

        Raises ItemError naming the first tensor that is missing, unknown, of the wrong shape or
        not finite.
        """
        with torch.device("meta"):
            module = kind_of(self.config).module(self.config)
        wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
        for name, shape in wanted.items():
            if name not in self.state:
                raise ItemError(f"the network lacks the tensor {name}")
            if (found := tuple(self.state[name].shape)) != shape:
                raise ItemError(f"the tensor {name} is {found}, not {shape}")
        if unknown := next((name for name in self.state if name not in wanted), None):
            raise ItemError(f"the network has an unknown tensor {unknown!a:.80}")
        refuse_shared(self.state.values())
        state = {name: value.float().contiguous() for name, value in self.state.items()}
        for name, value in state.items():
            if not value.sum().isfinite():
                raise ItemError(
                    f"the tensor {name} has numbers that are not finite (NaN or infinite)"
                )
            if name.rpartition(".")[2] == "lod" and value.item() < 0:
                raise ItemError(f"the tensor {name} is {value.item():g}: it cannot be negative")
        module.load_state_dict(state, assign=True)
        return module.requires_grad_(False).eval()


@dataclass(frozen=True)
class NetworkFile:
    """The networks of a file: "G", "D" and "G_ema" (the moving average of G: sample with it)."""

    layout: Layout
    networks: dict[str, SavedNetwork]
    facts: dict[str, Any]  # plain JSON: kimg, the settings of its training
    training: dict[Any, Any] | None = None  # what a run continues from; unchecked

    def small(self) -> "NetworkFile":
        """The networks that sample and score, in float16, without what a run continues from.

        Such files are given to others: of the path of a network that the run began with, the name stays.
        """
        networks, facts = {}, dict(self.facts)
        if os.path.isabs(first := str(facts.get("transfer", ""))):
            facts["transfer"] = os.path.basename(first)
        for name, network in self.networks.items():
            if name != "G" or "G_ema" not in self.networks:
                half = {key: value.half() for key, value in network.state.items()}
                networks[name] = SavedNetwork(network.config, half)
        return NetworkFile(self.layout, networks, facts)

    @property
    def generator(self) -> SavedNetwork:
        """The moving average of the generator, else the generator itself.

        Raises ItemError if the file has neither.
        """
        for name in ("G_ema", "G"):
            if name in self.networks:
                return self.networks[name]
        raise ItemError("the file has no generator")

    @property
    def discriminator(self) -> SavedNetwork:
        """The discriminator.

        Raises ItemError if the file has none.
        """
        if "D" not in self.networks:
            raise ItemError("the file has no discriminator")
        return self.networks["D"]


def shape_of(
    tensors: dict[str, Tensor], name: str, axes: int, *, kind: str = "tensor"
) -> tuple[int, ...]:
    """The shape of a tensor, which must exist and have that many axes; `kind` is what to call it.

    Raises ItemError if it does not.
    """
    if name not in tensors:
        raise ItemError(f"the network lacks the {kind} {name}")
    shape = tuple(tensors[name].shape)
    if len(shape) != axes:
        raise ItemError(f"the {kind} {name} has {len(shape)} axes, not {axes}")
    return shape


def average_w(config: GeneratorConfig, state: dict[str, Tensor], samples: int) -> Tensor:
    """The average w [w_dim] of so many seeds, the same every time, for a state that lacks it.

    Raises ItemError as `SavedNetwork.build`.
    """
    zeros = {"mapping.w_avg": torch.zeros(config.mapping.w_dim)}
    mapping = SavedNetwork(config, state | zeros).build().get_submodule("mapping")
    z = torch.randn(samples, config.mapping.z_dim, generator=torch.Generator().manual_seed(0))
    mean: Tensor = mapping(z)[:, 0].mean(0)
    return mean
