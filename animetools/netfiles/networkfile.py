"""What a network file holds, whoever wrote it: configs, tensors and facts."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from animetools.errors import ItemError
from animetools.netfiles.configs import config_from_json, config_to_json
from animetools.netfiles.pickles import refuse_shared
from animetools.networks.config import Config
from animetools.networks.families import kind_of

Layout = Literal["tensorflow", "pytorch", "animetools", "safetensors", "rosinality"]


@dataclass(frozen=True)
class SavedNetwork:
    """One network: its config, and its tensors by the names that its module gives them."""

    config: Config
    state: dict[str, Tensor]

    def __post_init__(self) -> None:
        """Refuse, by an ItemError, a config that no module can be built from."""
        config_from_json(config_to_json(self.config))

    def build(self) -> nn.Module:
        """The module, in float32, for evaluation and without gradients.

        It is made without memory of its own, and takes the tensors of `state` as they are: nothing
        is allocated before every name and shape is found to be right. So what a module computes
        once and does not keep in its state must say `device="cpu"` where it is made.

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
            raise ItemError(f"the network has no place for the tensor {unknown!a:.80}")
        refuse_shared(self.state.values())
        state = {name: value.float().contiguous() for name, value in self.state.items()}
        for name, value in state.items():
            if not value.sum().isfinite():
                raise ItemError(f"the tensor {name} holds numbers that are not finite")
            if name.rpartition(".")[2] == "lod" and value.item() < 0:
                raise ItemError(f"the tensor {name} is {value.item():g}, which no network has")
        module.load_state_dict(state, assign=True)
        return module.requires_grad_(False).eval()


@dataclass(frozen=True)
class NetworkFile:
    """The networks of a file, by "G", "D" and "G_ema" (the moving average: sample with it)."""

    layout: Layout
    networks: dict[str, SavedNetwork]
    facts: dict[str, Any]  # plain JSON: kimg, what the network was trained with
    training: dict[Any, Any] | None = None  # what a run goes on from; whoever uses it checks it

    def small(self) -> "NetworkFile":
        """What samples and judges, in float16; nothing that a run goes on from."""
        networks = {}
        for name, network in self.networks.items():
            if name != "G" or "G_ema" not in self.networks:
                half = {key: value.half() for key, value in network.state.items()}
                networks[name] = SavedNetwork(network.config, half)
        return NetworkFile(self.layout, networks, self.facts)

    @property
    def generator(self) -> SavedNetwork:
        """The moving average of the generator, else the generator itself.

        Raises ItemError if the file has neither.
        """
        for name in ("G_ema", "G"):
            if name in self.networks:
                return self.networks[name]
        raise ItemError("there is no generator in this file")

    @property
    def discriminator(self) -> SavedNetwork:
        """The discriminator.

        Raises ItemError if the file has none.
        """
        if "D" not in self.networks:
            raise ItemError("there is no discriminator in this file")
        return self.networks["D"]


def shape_of(
    tensors: dict[str, Tensor], name: str, axes: int, *, kind: str = "tensor"
) -> tuple[int, ...]:
    """The shape of a tensor that must be there, with so many axes; `kind` is what its file says.

    Raises ItemError if it is missing, or has others.
    """
    if name not in tensors:
        raise ItemError(f"the network lacks the {kind} {name}")
    shape = tuple(tensors[name].shape)
    if len(shape) != axes:
        raise ItemError(f"the {kind} {name} has {len(shape)} axes, not {axes}")
    return shape
