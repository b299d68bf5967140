"""Any network with one picture in and one out, from an ONNX file."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from animetools.errors import FatalError, ItemError
from animetools.netfiles.onnx_openvino import Precision
from animetools.netfiles.onnx_session import OnnxError, OnnxNetwork, open_session
from animetools.upscaling.measure import ROUGH_TOLERANCE, TOLERANCE, UNITS, measured
from animetools.upscaling.network import Geometry, Planes, UpscalingNetwork

ALIGNMENTS = (1, 2, 4, 8, 16, 32, *sorted(UNITS))
OVERLAP = 32  # where only one size can be tried
SIDES = (16, 64)  # of the pictures to try: a border may be larger than 16
LARGEST_SCALE = 16
LARGEST_FIXED = 2048
OUTPUT, OUTPUT_OF_CARD = 512, 1024  # sides of a tile's output
NUMBERS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def open_onnx(path: str, device: str, dtype: str = "fp32") -> UpscalingNetwork:
    """The network of an ONNX file, ready to run on the device: "cpu", "cuda" or "cuda:1".

    It takes [1, 3, h, w] in 0..1 as float32 or float16 and returns [1, 3, H, W]; the file may leave
    all sizes open, or fix a square. Its scale, border, receptive field and alignment are measured by
    running it on small pictures. On a CPU a run takes one thread; with the
    `dtype` bf16, OpenVINO computes in bf16 there, where it is installed.

    Raises FatalError, one sentence, if the file holds no such network, or as open_session.
    """
    computed: Precision = "bf16" if dtype == "bf16" else "fp32"
    network = open_session(path, device, 1, "upscale", computed)
    try:
        return _Network(network, is_rough=device != "cpu" or computed == "bf16")
    except ItemError as why:
        raise FatalError(f"{path} is not a network that enlarges pictures: {why}") from why


class _Network:
    """A network, and how its tiles must be cut."""

    def __init__(self, network: OnnxNetwork, is_rough: bool) -> None:
        """Measure its geometry; one that `is_rough` computes with fewer bits than float32.

        Raises ItemError, one sentence, if it is not a network that enlarges pictures.
        """
        inputs, outputs = network.inputs, network.outputs
        if (len(inputs), len(outputs)) != (1, 1):
            raise ItemError(f"it has inputs: {len(inputs)}, outputs: {len(outputs)}; not one each")
        self.network = network
        if inputs[0].type not in NUMBERS:
            raise ItemError(f"it takes {inputs[0].type}, not float32 or float16")
        self.dtype = NUMBERS[inputs[0].type]
        fixed = _fixed(inputs[0].shape)
        output = OUTPUT if network.is_on_cpu else OUTPUT_OF_CARD
        if fixed:
            scale = self._fitting_fixed(fixed)
            self.geometry = Geometry(scale, overlap=OVERLAP, fixed=fixed)
            return
        self.geometry = self._fitting()
        tolerance = ROUGH_TOLERANCE if is_rough or self.dtype == np.float16 else TOLERANCE
        self.geometry = measured(self.geometry, lambda rgb: _finite(self.run(rgb)), tolerance)
        if not self.geometry.whole:
            self.geometry = replace(
                self.geometry, tile=max(64, output // max(self.geometry.scale, 2))
            )

    def run(
        self, rgb: Planes, known: Mapping[str, Planes] | None = None, wanted: str | None = None
    ) -> Planes:
        """See UpscalingNetwork; there are no pools."""
        planes = self._output(rgb)
        scale, border = self.geometry.scale, self.geometry.border
        sides = tuple(scale * (side - 2 * border) for side in rgb.shape[1:])
        if planes.shape[1:] != sides:
            raise ItemError(f"the network returns {_size(planes)} for {_size(rgb)}")
        return planes

    def _output(self, rgb: Planes) -> Planes:
        """Its output [3, H, W] for [3, h, w]; raises ItemError if it is something else."""
        try:
            found = self.network.run(np.ascontiguousarray(rgb[None], self.dtype))
        except MemoryError:
            raise ItemError(
                f"not enough memory for {_size(rgb)} at once: try a smaller --tile"
            ) from None
        except OnnxError as why:
            raise ItemError(f"it cannot be run: {why}") from why
        if not isinstance(found, np.ndarray) or found.dtype not in NUMBERS.values():
            raise ItemError("it does not return float32 or float16")
        if found.ndim != 4 or found.shape[:2] != (1, 3):
            raise ItemError(f"it returns {list(found.shape)}, not [1, 3, H, W]")
        return np.asarray(found[0], np.float32)

    def _fitting_fixed(self, fixed: int) -> int:
        """The scale of a network that takes only squares of this size."""
        given = _picture(fixed, fixed)
        found = _finite(self._output(given))
        scale = int(found.shape[1]) // fixed
        if found.shape[1:] != (scale * fixed, scale * fixed) or not 1 <= scale <= LARGEST_SCALE:
            raise ItemError(f"it returns {_size(found)} for {_size(given)}, the only size it takes")
        return scale

    def _fitting(self) -> Geometry:
        """Scale, border and alignment of a network that takes any size, from the sizes it returns."""
        why = ItemError()
        for align, side in product(ALIGNMENTS, SIDES):
            height = -(-side // align) * align
            given = _picture(height, 2 * height + align)
            try:
                found = _finite(self._output(given))
            except ItemError as error:
                why = error
                continue
            # H = scale (h - 2 border), and W likewise.
            scale, rest = divmod(found.shape[2] - found.shape[1], given.shape[2] - height)
            cut = scale * height - found.shape[1]
            if not rest and 1 <= scale <= LARGEST_SCALE and cut >= 0 and cut % (2 * scale) == 0:
                self.geometry = Geometry(scale, cut // (2 * scale), align=align, least=height)
                try:
                    # Some sizes fit by chance: 7 x 64 is 8 x 56. An odd number of them decides.
                    self.run(_picture(height, height + 9 * align))
                    return self.geometry
                except ItemError as error:
                    why = error
            else:
                why = ItemError(f"it returns {_size(found)} for {_size(given)}")
        raise why


def _fixed(shape: Sequence[int | str | None]) -> int:
    """The side that an input is fixed to, or 0; names and None stand for any number."""
    shown = f"[{', '.join(str(n) if isinstance(n, int) else '?' for n in shape)}]"
    match [n if isinstance(n, int) else None for n in shape]:
        case [1 | None, 3 | None, *sides] if len(sides) == 2:
            fixed = {side for side in sides if side is not None} or {0}
            if len(fixed) == 1 and 0 <= max(fixed) <= LARGEST_FIXED:
                return fixed.pop()
    raise ItemError(f"it takes {shown}, not [1, 3, h, w] of any size or of a fixed square")


def _picture(height: int, width: int) -> Planes:
    return np.random.default_rng(0).random((3, height, width), np.float32)


def _finite(planes: Planes) -> Planes:
    if not np.isfinite(planes).all():
        raise ItemError("its output holds NaN or infinite values")
    return planes


def _size(planes: Planes) -> str:
    return f"{planes.shape[2]}x{planes.shape[1]} pixels"
