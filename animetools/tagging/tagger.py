"""What a tagger is, and how one is opened."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from animetools.errors import ItemError

Pixels = NDArray[np.uint8]  # [H, W, 3], sRGB
Probabilities = NDArray[np.float32]  # [n, tags], of n pictures
Answer = Probabilities | ItemError  # to one picture


class Tagger(Protocol):
    """A network that says how probable each of its tags is for a picture.

    Several threads may use it at once.
    """

    @property
    def names(self) -> Sequence[tuple[str, str]]:
        """The name and the category (see animetools.tags) of each output."""

    @property
    def thresholds(self) -> Sequence[float]:
        """For each output the probability from which its tag usually holds."""

    @property
    def is_on_cpu(self) -> bool:
        """Whether it computes in the thread that calls it: then several should."""

    @property
    def batch(self) -> int:
        """How many pictures it computes at once: it pads fewer, and splits more."""

    def prepare(self, rgb: Pixels) -> NDArray[Any]:
        """One picture of any size as the network takes it."""

    def __call__(self, inputs: Sequence[NDArray[Any]]) -> Probabilities:
        """The probabilities of prepared pictures; NaN for a picture that the network cannot take.

        What comes out for a picture does not depend on the others, nor on how many there are.

        Raises FatalError, one sentence, if the network fails.
        """


@cache
def open_tagger(
    model: str, tags: str, device: str, batch: int, dtype: Literal["fp32", "bf16"]
) -> Tagger:
    """The tagger of an ONNX file, or for "" the one that ships; once in a process.

    `tags` is the file with the names of its outputs, "" for the one beside it. `device` is one of
    those of `devices_of`; a card takes `batch` pictures at once, a CPU each alone in the thread that
    calls it. `dtype` is what OpenVINO computes an ONNX file in, see `open_session`.

    Raises FatalError, one sentence, if the files or the device cannot be used.
    """
    if not model:
        from animetools.tagging.default import DefaultTagger

        return DefaultTagger(device, batch)
    from animetools.tagging.onnx import OnnxTagger

    return OnnxTagger(model, tags, device, batch, dtype)


def answers(tagger: Tagger, inputs: Sequence[NDArray[Any]]) -> list[Answer]:
    """The probabilities [tags] of each prepared picture, or an error in their place."""
    return [
        row if np.isfinite(row).all() else ItemError("the tagger returns NaN for it")
        for row in tagger(inputs)
    ]


def devices_of(model: str, device: str) -> list[str]:
    """The devices that --device means for a tagger: one, or every card.

    Raises FatalError if there is no such device.
    """
    if model and device.partition(":")[0] in ("auto", "cpu", "cuda"):
        return [device]  # onnxruntime has its own idea of what is there
    from animetools.networks.devices import devices  # late, for it loads torch

    return [str(found) for found in devices(device)]
