"""The options that every command has which runs a network."""

from typing import Annotated, Literal

from animetools.options import Opt

Device = Annotated[
    str, Opt("auto, cpu, cuda, cuda:1, mps, or all: every card.", unit="DEVICE", affects=False)
]
Dtype = Annotated[Literal["fp32", "bf16", "fp16"], Opt("Precision of the network.")]
Sha256 = Annotated[str, Opt("What the network file must be.", unit="HEX", affects=False)]
