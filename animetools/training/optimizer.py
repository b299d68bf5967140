"""Adam for one of the two networks of a GAN."""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from animetools.training.ranks import ALONE, Ranks


class Optimizer:
    """The gradients of some parameters, in one tensor, and Adam.

    A parameter that a loss does not reach has the gradient 0, not None: Adam counts the step and
    its second moment decays. Gradients are gathered between `begin` and `step` only.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], ranks: Ranks = ALONE) -> None:
        self.parameters, self.ranks = list(parameters), ranks
        sizes = [parameter.numel() for parameter in self.parameters]
        self.gradient = self.parameters[0].new_zeros(sum(sizes))
        for parameter, part in zip(self.parameters, torch.split(self.gradient, sizes), strict=True):
            parameter.grad = part.as_strided(parameter.shape, parameter.stride())
        self.adam = torch.optim.Adam(self.parameters, betas=(0.0, 0.99), eps=1e-8, fused=True)
        self._learn(False)

    def tune(self, rate: float, interval: int | None) -> None:
        """Set the learning rate, corrected for one more step every `interval` iterations, if any.

        Source: Karras et al. 2019 (StyleGAN2), appendix B (lazy regularization).
        """
        share = interval / (interval + 1) if interval else 1.0
        for group in self.adam.param_groups:
            group["lr"], group["betas"] = rate * share, (0.0, 0.99**share)

    def begin(self) -> None:
        """Gather gradients from here on."""
        self.gradient.zero_()
        self._learn(True)

    def step(self) -> None:
        """Update the parameters by what all ranks have gathered since `begin`."""
        self._learn(False)
        self.ranks.add(self.gradient)
        self.gradient.nan_to_num_(nan=0.0, posinf=1e5, neginf=-1e5)
        self.adam.step()

    def reset(self) -> None:
        """Forget Adam's moments."""
        self.adam.state.clear()

    def state(self) -> dict[int, dict[str, Tensor]]:
        """Adam's moments, by the number of the parameter."""
        state: dict[int, dict[str, Tensor]] = self.adam.state_dict()["state"]
        return state

    def load(self, state: dict[int, dict[str, Tensor]]) -> None:
        """Continue from a copy of such a state.

        Raises ValueError, TypeError, KeyError if it is of other parameters.
        """
        self.adam.load_state_dict(self.adam.state_dict() | {"state": copy.deepcopy(state)})
        for parameter, moments in self.adam.state.items():
            shape = parameter.shape
            wanted = {"step": torch.Size(), "exp_avg": shape, "exp_avg_sq": shape}
            if {name: value.shape for name, value in moments.items()} != wanted:
                raise ValueError("the optimizer's tensors have other shapes")
            for name in ("exp_avg", "exp_avg_sq"):  # in the parameter's order, as Adam made them
                moments[name] = torch.empty_like(parameter).copy_(moments[name])

    def _learn(self, learns: bool) -> None:
        for parameter in self.parameters:
            parameter.requires_grad_(learns)
