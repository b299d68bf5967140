"""Other people's taggers, from ONNX files."""

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from animetools.errors import FatalError
from animetools.netfiles.onnx_openvino import Precision
from animetools.netfiles.onnx_session import OnnxError, open_session
from animetools.tagging.layouts import LAYOUTS, Layout

Pixels = NDArray[np.uint8]
Probabilities = NDArray[np.float32]

NUMBERS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
LARGEST_SIDE = 2048
MOST_PIXELS = 1 << 26  # of a batch
USUAL = 0.5  # threshold
SLACK = 1e-3  # of a probability: float16 rounds


class OnnxTagger:
    """A tagger of one of the two layouts (see `animetools.tagging.tagger.Tagger`)."""

    def __init__(
        self,
        model: str,
        tags: str,
        device: str,
        batch: int,
        dtype: Precision = "fp32",
    ) -> None:
        """Open an ONNX file, and the list of its tags: `tags`, or the one beside it.

        `dtype` is what OpenVINO computes in where it is installed, see open_session.

        Raises FatalError, one sentence, if the two are not a tagger, or as open_session.
        """
        self.model = model
        self.tags, self.layout = _tags_of(model, tags)
        self.names = self.layout.read(self.tags)
        self.thresholds = [self.layout.thresholds.get(kind, USUAL) for _, kind in self.names]
        self.network = open_session(model, device, 1, "tag", dtype)
        self._read_shapes(batch)

    def prepare(self, rgb: Pixels) -> Pixels:
        """One picture, uint8 [H, W, 3], at the network's size."""
        return self.layout.prepare(rgb, self.height, self.width)

    def __call__(self, inputs: Sequence[Pixels]) -> Probabilities:
        """The probabilities [n, tags] of prepared pictures.

        Raises FatalError, one sentence, if the network fails, or returns something else.
        """
        steps = range(0, len(inputs), self.batch)
        return np.concatenate([self._run(inputs[at : at + self.batch]) for at in steps])

    def _run(self, some: Sequence[Pixels]) -> Probabilities:
        # Always as many, since another number may choose other kernels, which round otherwise.
        full = [*some, *[some[-1]] * (self.batch - len(some))]
        given = (np.stack(full) * np.float32(self.layout.scale)).astype(self.dtype)
        try:
            found = self.network.run(given)
        except MemoryError:
            raise FatalError(
                f"{self.model}: not enough memory: try a smaller --batch, or fewer --jobs"
            ) from None
        except OnnxError as why:
            raise FatalError(f"{self.model} cannot be run: {why}") from why
        if not isinstance(found, np.ndarray) or found.dtype not in NUMBERS.values():
            raise FatalError(f"{self.model} does not return float32 or float16")
        if found.ndim != 2 or len(found) != self.batch:
            raise FatalError(f"{self.model} returns {list(found.shape)}, not [n, tags]")
        self._check_count(found.shape[1])
        found = found[: len(some)].astype(np.float32)
        wrong = found[np.isinf(found) | (abs(found - 0.5) > 0.5 + SLACK)]
        if wrong.size:
            raise FatalError(
                f"{self.model} returns {wrong[0]:.3g}, not a probability from 0 to 1: it lacks the"
                " sigmoid at its end"
            )
        return np.asarray(np.clip(found, 0, 1), np.float32)

    def _read_shapes(self, batch: int) -> None:
        inputs, outputs = self.network.inputs, self.network.outputs
        if len(inputs) != 1 or not outputs:
            raise FatalError(f"{self.model} has {len(inputs)} inputs, not one")
        shape = [size if isinstance(size, int) else 0 for size in inputs[0].shape]
        if inputs[0].type not in NUMBERS or len(shape) != 4 or shape[3] != 3 or 0 in shape[1:]:
            raise FatalError(
                f"{self.model} takes {inputs[0].type} {_shown(shape)}, not pictures as"
                f" {self.layout.family} does: tensor(float) [n, height, width, 3]"
            )
        fixed, self.height, self.width = shape[:3]
        self.dtype = NUMBERS[inputs[0].type]
        self.is_on_cpu = self.network.is_on_cpu
        self.batch = fixed or (1 if self.is_on_cpu else batch)
        is_large = self.batch * self.height * self.width > MOST_PIXELS
        if max(self.height, self.width) > LARGEST_SIDE or is_large:
            raise FatalError(
                f"{self.model} takes {self.batch} pictures of {self.width}x{self.height} pixels at"
                " once, which is too much for a tagger"
            )
        match [size if isinstance(size, int) else 0 for size in outputs[0].shape]:
            case [] | [_, 0]:
                pass  # unknown before it runs
            case [_, count]:
                self._check_count(count)
            case found:
                raise FatalError(f"{self.model} returns {_shown(found)}, not [n, tags]")

    def _check_count(self, outputs: int) -> None:
        if outputs != len(self.names):
            raise FatalError(
                f"{self.model} has {outputs} outputs and {self.tags} {len(self.names)} names: give the"
                " list that came with the model as --tags"
            )


def _shown(shape: Sequence[int]) -> str:
    return f"[{', '.join(str(size or 'n') for size in shape)}]"


def _tags_of(model: str, tags: str) -> tuple[str, Layout]:
    """The list of a model's tags, and the layout that its extension tells.

    Raises FatalError, one sentence, if there is none.
    """
    folder = os.path.dirname(model)
    for layout in LAYOUTS:
        path = tags or os.path.join(folder, layout.file)
        is_its = os.path.splitext(path)[1].lower() == os.path.splitext(layout.file)[1]
        if is_its and (tags or os.path.isfile(path)):
            return path, layout
    names = " or ".join(layout.file for layout in LAYOUTS)
    if tags:
        raise FatalError(f"--tags {tags} is not a {names}: its extension tells which")
    raise FatalError(f"{model} has no {names} beside it: name the list of its tags with --tags")
