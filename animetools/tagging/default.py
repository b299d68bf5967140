"""The tagger that ships, and safetensors files of its kind."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from animetools.errors import ItemError
from animetools.images.fit import fit
from animetools.netfiles.configs import read_fields
from animetools.netfiles.safetensors import module_of, opened
from animetools.networks.cpu import alone
from animetools.tagging.network import Network, NetworkConfig
from animetools.tags import Tag, tags_of

if TYPE_CHECKING:
    from animetools.tagging.ncnn_cpu import NcnnNetwork

SHIPPED = os.path.join(os.path.dirname(__file__), "default.safetensors")  # docs/default-tagger.md
FORMAT = "animetools tagger 1"

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]


class DefaultTagger:
    """The tagger of a file, see `Tagger`; its features are an embedding.

    Each tag has a threshold of its own. A card computes `batch` pictures at once, a CPU each alone in
    the thread that calls it; both in float32. On a CPU ncnn computes, where it can be loaded, else
    torch.

    Raises FatalError, one sentence, for a file that is not such a tagger.
    """

    def __init__(self, device: str = "cpu", batch: int = 1, path: str = SHIPPED) -> None:
        network, tags = read(path)
        self.names = [(tag.name, tag.category) for tag in tags]
        self.thresholds = [tag.probability for tag in tags]
        self.path, self.device, self.side = path, torch.device(device), network.config.side
        self.is_on_cpu = self.device.type == "cpu"
        self.batch = 1 if self.is_on_cpu else batch
        self.on_cpu = _by_ncnn(network) if self.is_on_cpu else None
        self.network = network.to(self.device)

    def prepare(self, rgb: Pixels) -> Pixels:
        """A picture uint8 [H, W, 3] in the middle of a white square: uint8 [3, side, side]."""
        return np.ascontiguousarray(fit(rgb, self.side)[0].transpose(2, 0, 1))

    def __call__(self, inputs: Sequence[NDArray[Any]]) -> Values:
        """The probabilities [n, tags] of prepared pictures, the same in any company."""
        return self._computed("tags", inputs)

    def features(self, images: Pixels) -> Values:
        """The features [n, d] of images, uint8 [n, C, H, W]; C is 3, or 1 for grey."""
        colored = np.broadcast_to(images, (len(images), 3, *images.shape[2:]))
        return self._computed(
            "features", [self.prepare(image.transpose(1, 2, 0)) for image in colored]
        )

    @torch.inference_mode()
    def _computed(
        self, wanted: Literal["features", "tags"], inputs: Sequence[NDArray[Any]]
    ) -> Values:
        if self.on_cpu:
            scaled = (np.asarray(image, np.float32) / 127.5 - 1 for image in inputs)
            return np.stack([self.on_cpu.run(picture, wanted) for picture in scaled])
        run = self.network.embed if wanted == "features" else self._probabilities
        # Another number of images may choose other kernels, which round otherwise.
        full = [*inputs, *[inputs[-1]] * (-len(inputs) % self.batch)]
        found = []
        for at in range(0, len(full), self.batch):
            x = torch.from_numpy(np.stack(full[at : at + self.batch])).to(self.device)
            with alone():
                found.append(run(x.float() / 127.5 - 1).cpu())
        return np.asarray(torch.cat(found)[: len(inputs)].numpy(), np.float32)

    def _probabilities(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return logits.sigmoid()


def _by_ncnn(network: Network) -> "NcnnNetwork | None":
    try:
        from animetools.tagging.ncnn_cpu import NcnnNetwork
    except ImportError:  # also of a library of the system's that it lacks
        return None
    return NcnnNetwork(network)


def write(network: Network, tags: Sequence[Tag], out: BinaryIO) -> None:
    """Write a tagger in half precision; each of its tags holds from its own probability on."""
    tensors = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    facts = {"network": json.dumps(asdict(network.config)), "tags": json.dumps(tags)}
    out.write(safetensors.torch.save(tensors, {"format": FORMAT, **facts}))


def read(path: str) -> tuple[Network, list[Tag]]:
    """The network of a file in single precision, and its tags as `write` has them.

    Raises FatalError, one sentence, for another or a damaged file.
    """
    with opened(path, "a tagger") as file:
        config, tags = _facts(file.metadata() or {})
        return module_of(file, lambda: Network(config), "network"), tags


def _facts(metadata: Mapping[str, str]) -> tuple[NetworkConfig, list[Tag]]:
    """What the header says. Raises ItemError if that is not what `write` writes."""
    if metadata.get("format") != FORMAT:
        raise ItemError(f"its header does not say {FORMAT!r}")
    try:
        sizes, listed = (json.loads(metadata[key]) for key in ("network", "tags"))
        if type(sizes) is not dict:
            raise ValueError
    except (KeyError, ValueError, RecursionError):
        raise ItemError("its header is malformed") from None
    config: NetworkConfig = read_fields(NetworkConfig, sizes)
    tags = tags_of({"tags": listed})
    if len(tags) != config.tags:
        raise ItemError(f"it names {len(tags)} tags, its network has {config.tags}")
    if not all(0 < tag.probability < 1 for tag in tags):
        raise ItemError("a tag's threshold is not between 0 and 1")
    return config, tags
