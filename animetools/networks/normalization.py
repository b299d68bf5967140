"""Batch normalization while a network is trained, and the same network without it afterwards."""

import copy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Net = TypeVar("Net", bound=nn.Module)


def normalized(network: Net) -> Net:
    """The network with a batch normalization after each convolution."""
    for block in [*network.modules()]:
        for name, layer in [*block.named_children()]:
            if isinstance(layer, nn.Conv2d):
                setattr(block, name, nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels)))
    return network


def plain(network: Net) -> Net:
    """The network with its batch normalizations inside its convolutions."""
    network = copy.deepcopy(network).float().eval()
    for block in [*network.modules()]:
        for name, layer in [*block.named_children()]:
            match [*layer.children()]:
                case [nn.Conv2d() as convolution, nn.BatchNorm2d() as normalization]:
                    setattr(block, name, fuse_conv_bn_eval(convolution, normalization))
    return network
