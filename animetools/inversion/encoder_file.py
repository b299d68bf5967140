"""Files of encoders: safetensors, which say the network that an encoder is for."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import BinaryIO

import safetensors.torch

from animetools.errors import FatalError, ItemError
from animetools.inversion.encoder import Encoder, EncoderConfig, config_for
from animetools.netfiles.configs import read_fields
from animetools.netfiles.safetensors import module_of, opened
from animetools.networks.generator import Generator

SHIPPED = os.path.join(os.path.dirname(__file__), "default.safetensors")  # docs/default-encoder.md
FORMAT = "animetools encoder 1"


@dataclass(frozen=True)
class EncoderFile:
    """An encoder in single precision, and the SHA-256 of the network file that it is for."""

    encoder: Encoder
    network: str

    def check(self, path: str, network: str, sha256: str, generator: Generator) -> None:
        """Raise FatalError, with the `path` of this file, if it is not for that network file."""
        if self.network != sha256:
            raise FatalError(
                f"{path} is an encoder of the network with SHA-256 {self.network[:16]}..., not of"
                f" {network} ({sha256[:16]}...): make one with --train-encoder"
            )
        # Whoever wrote it may have put any network's SHA-256 into it.
        config, fit = self.encoder.config, config_for(generator.config, generator.num_ws)
        for name in ("image_channels", "height", "width", "rows", "w_dim"):
            ours, theirs = getattr(fit, name), getattr(config, name)
            if ours != theirs:
                raise FatalError(
                    f"{path} does not fit the network that it names: {name} is {theirs}, not {ours}"
                )


def write(encoder: Encoder, network: str, out: BinaryIO) -> None:
    """Write an encoder of the network file with this SHA-256, in half precision."""
    tensors = {name: value.half().contiguous() for name, value in encoder.state_dict().items()}
    facts = {"network": network, "config": asdict(encoder.config)}
    # One entry: the library writes several in a random order.
    out.write(safetensors.torch.save(tensors, {FORMAT: json.dumps(facts)}))


def read(path: str) -> EncoderFile:
    """The encoder in a file.

    Raises FatalError, one sentence, for another or a damaged file.
    """
    with opened(path, "an encoder") as file:
        config, network = _facts(file.metadata() or {})
        encoder = module_of(file, lambda: Encoder(config), "encoder")
    if not all(value.isfinite().all() for value in encoder.state_dict().values()):
        raise FatalError(f"{path} holds numbers that are not finite")
    return EncoderFile(encoder, network)


def network_of(path: str) -> str:
    """The SHA-256 of the network file that the encoder in a file is for, as its header says.

    Raises FatalError as `read`.
    """
    with opened(path, "an encoder") as file:
        return _facts(file.metadata() or {})[1]


def _facts(metadata: Mapping[str, str]) -> tuple[EncoderConfig, str]:
    """What the header says. Raises ItemError if that is not what `write` writes."""
    if FORMAT not in metadata:
        raise ItemError(f"its header does not say {FORMAT!r}")
    try:
        facts = json.loads(metadata[FORMAT])
        sizes, network = facts["config"], facts["network"]
        if type(sizes) is not dict or not re.fullmatch("[0-9a-f]{64}", network):
            raise ValueError
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ItemError("its header is malformed") from None
    config: EncoderConfig = read_fields(EncoderConfig, sizes)
    if not config.channels:
        raise ItemError("it has no layers")
    return config, network
