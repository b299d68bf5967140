"""The variables of a TensorFlow network on their way to the state of a module."""

import re
from collections.abc import Callable

from torch import Tensor

from animetools.netfiles.machine import refuse
from animetools.netfiles.networkfile import SavedNetwork, shape_of
from animetools.netfiles.pickles import refuse_shared
from animetools.networks.config import Config

Change = Callable[[Tensor], Tensor]


class Variables:
    """Variables on their way to a module's state, each to its new name and axes."""

    def __init__(self, variables: dict[str, Tensor]) -> None:
        for name in variables:
            if "SelfAtten" in name:
                refuse("a network with self-attention, which is not supported")
            if "LabelEmbed" in name:
                refuse(
                    "a TensorFlow file of StyleGAN2-ADA: convert it with the legacy.py of StyleGAN2-ADA for PyTorch"
                )
            if (scope := re.match(r"(\d+)x(\d+)/", name)) and scope[1] != scope[2]:
                refuse(f"the network has blocks of {scope[0]:.20}, which are not square")
        refuse_shared(variables.values())
        self.left = dict(variables)
        self.state: dict[str, Tensor] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.left

    def any(self, pattern: str) -> bool:
        """Whether a name that is left contains the pattern."""
        return any(re.search(pattern, name) for name in self.left)

    def shape(self, name: str, axes: int) -> tuple[int, ...]:
        """The shape of a variable, which must have that many axes."""
        return shape_of(self.left, name, axes, kind="variable")

    def move(self, name: str, new: str, axes: int, change: Change | None = None) -> None:
        """One variable, which must have that many axes."""
        self.shape(name, axes)
        value = self.left.pop(name).float()
        self.state[new] = change(value) if change else value

    def first(self, name: str, new: str, *, axes: int) -> None:
        """A variable of four axes, without the first `axes` of them, whose length must be 1."""
        if any(size != 1 for size in self.shape(name, 4)[:axes]):
            refuse(f"the variable {name} has a first axis that is longer than 1")
        self.move(name, new, 4, lambda value: value.reshape(value.shape[axes:]))

    def dense(self, scope: str, new: str) -> None:
        """A dense layer: (in, out) to [out, in]."""
        self.move(f"{scope}/weight", f"{new}.weight", 2, Tensor.t)
        self.move(f"{scope}/bias", f"{new}.bias", 1)

    def conv(self, scope: str, new: str, *, bias: bool = True, flip: bool = False) -> None:
        """A convolution: (height, width, in, out) to [out, in, height, width]."""

        def turned(value: Tensor) -> Tensor:
            return (value.flip(0, 1) if flip else value).permute(3, 2, 0, 1)

        self.move(f"{scope}/weight", f"{new}.weight", 4, turned)
        if bias:
            self.move(f"{scope}/bias", f"{new}.bias", 1)

    def lod(self, new: str, *, wanted: bool) -> None:
        """How far a network has grown; one that does not grow may store the number all the same."""
        if wanted:
            self.move("lod", new, 0)
        self.left.pop("lod", None)

    def blocks(self) -> int:
        """How many blocks there are, from 4 x 4 upwards."""
        sizes = {int(m[1]) for name in self.left if (m := re.match(r"(\d{1,5})x\1/", name))}
        if len(sizes) < 2 or sizes != {4 << i for i in range(len(sizes))}:
            refuse("the network lacks the blocks of a StyleGAN")
        return len(sizes)

    def network(self, config: Config) -> SavedNetwork:
        """The network, if nothing is left over."""
        if self.left:
            refuse(
                f"the network has the variable {next(iter(self.left))!a:.80}, which no StyleGAN has"
            )
        return SavedNetwork(config, self.state)
