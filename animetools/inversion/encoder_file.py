"""Files of encoders: safetensors, which say the network that an encoder is for."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import BinaryIO

import safetensors
import safetensors.torch
import torch

from animetools.errors import FatalError, ItemError
from animetools.inversion.encoder import Encoder, EncoderConfig, config_for
from animetools.netfiles.configs import read_fields
from animetools.netfiles.safetensors import begins
from animetools.networks.generator import Generator

SHIPPED = os.path.join(os.path.dirname(__file__), "default.safetensors")  # docs/default-encoder.md
FORMAT = "animetools encoder 1"
LARGEST = 1 << 28  # bytes of a file; in memory it takes twice as much


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
    try:
        with open(path, "rb") as named:
            if not begins(named.read(9)):
                raise ItemError("not a safetensors file")
            if os.fstat(named.fileno()).st_size > LARGEST:
                raise ItemError(f"more than {LARGEST:,} bytes")
            # The library takes names in UTF-8 only; /dev/fd stands for a file of any name.
            with safetensors.safe_open(f"/dev/fd/{named.fileno()}", "pt") as file:
                config, network = _facts(file.metadata() or {})
                with torch.device("meta"):
                    encoder = Encoder(config)
                shapes = {name: [*value.shape] for name, value in encoder.state_dict().items()}
                if {name: file.get_slice(name).get_shape() for name in [*file.keys()]} != shapes:
                    raise ItemError("its tensors are not those of its encoder")
                state = {name: file.get_tensor(name).float() for name in shapes}
    except OSError as why:
        raise FatalError(f"{path} cannot be read: {why.strerror}") from why
    except safetensors.SafetensorError:
        raise FatalError(f"{path} is a broken or truncated safetensors file") from None
    except ItemError as why:
        raise FatalError(f"{path} is not an encoder of animetools: {why}") from None
    if not all(value.isfinite().all() for value in state.values()):
        raise FatalError(f"{path} holds numbers that are not finite")
    encoder.load_state_dict(state, assign=True)
    return EncoderFile(encoder.requires_grad_(False).eval(), network)


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
