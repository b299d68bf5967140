"""Any network of one picture in and one out, from an ONNX file, by onnxruntime."""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from animetools.errors import FatalError, ItemError
from animetools.upscaling.engine import Engine, Form, Planes
from animetools.upscaling.measure import ROUGH_TOLERANCE, TOLERANCE, UNITS, measured

ALIGNMENTS = (1, 2, 4, 8, 16, 32, *sorted(UNITS))
OVERLAP = 32  # where only one size can be tried
SIDES = (16, 64)  # of the pictures that are tried: a border may take more than 16
LARGEST_SCALE = 16
LARGEST_FIXED = 2048
OUTPUT, OUTPUT_OF_CARD = 512, 1024  # sides of a tile's output
NUMBERS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def open_onnx(path: str, device: str) -> Engine:
    """The network of an ONNX file, ready to run on the device: "cpu", "cuda" or "cuda:1".

    It takes [1, 3, h, w] in 0..1 as float32 or float16 and gives [1, 3, H, W]; the file may leave
    all sizes open, or fix a square. Scale and border, how far it looks and where tiles may begin are
    found by running it on small pictures. On a CPU a run takes the thread that calls it and no other.

    onnxruntime knows its own operators only, and takes weights outside the file from its folder
    only. An ONNX file is a program all the same: how long it runs in how much memory cannot be
    told before.

    Raises FatalError, one sentence, if the file is no such network or there is no such device.
    """
    session = _session(path, device)
    try:
        return _Engine(session, on_card=device != "cpu")
    except ItemError as why:
        raise FatalError(f"{path} is no network that enlarges pictures: {why}") from why
    except UnicodeDecodeError as why:  # onnxruntime's names are bytes until somebody asks for them
        raise FatalError(f"{path} is damaged: it has names that are no text") from why


def _session(path: str, device: str) -> Any:
    """onnxruntime's session of a file."""
    try:
        import onnxruntime
    except ImportError as why:
        raise FatalError(
            f"onnxruntime, which computes it, cannot be loaded ({why}):"
            " pip install 'animetools[upscale]'"
        ) from None
    providers: list[Any] = ["CPUExecutionProvider"]
    if device != "cpu":
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": device.partition(":")[2] or 0}))
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise FatalError(
                f"--device {device}: onnxruntime computes on the CPU only here: choose"
                " --device cpu, or install onnxruntime-gpu in its place"
            )
    _check(path)
    onnxruntime.set_default_logger_severity(4)  # it would print to standard error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        # Its own way of falling back to the CPU prints to standard output.
        session = onnxruntime.InferenceSession(path, options, providers, enable_fallback=0)
    except Exception as why:  # its errors have no kind in common
        raise FatalError(f"{path} is no ONNX file that can be used: {_reason(why)}") from why
    if device != "cpu" and "CUDAExecutionProvider" not in session.get_providers():
        raise FatalError(f"--device {device}: onnxruntime cannot use it: choose --device cpu")
    return session


def _check(path: str) -> None:
    """Raise FatalError for what would make onnxruntime wait, or say nothing to the point."""
    try:
        is_file = stat.S_ISREG(os.stat(path).st_mode)
        path.encode()
    except OSError as why:
        raise FatalError(f"{path} cannot be read: {why.strerror}") from why
    except UnicodeEncodeError as why:
        raise FatalError(f"{path}: onnxruntime takes names in UTF-8 only: rename it") from why
    if not is_file:
        raise FatalError(f"{path} is not a file")


_NOISE = r"\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from .*? failed: ?|\S*onnxruntime_src\S*"


def _reason(why: Exception) -> str:
    """What onnxruntime says, on one line and without its own places."""
    text = re.sub(_NOISE, "", str(why), flags=re.DOTALL)
    text = " ".join(text.split()).rstrip(".")
    return "".join(c if c.isprintable() else "?" for c in text[:300])


class _Engine:
    """A network in a session of onnxruntime: an Engine."""

    def __init__(self, session: Any, on_card: bool) -> None:
        """Find out its form.

        Raises ItemError, one sentence, if it has none.
        """
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if (len(inputs), len(outputs)) != (1, 1):
            raise ItemError(f"it has inputs: {len(inputs)}, outputs: {len(outputs)}; not one each")
        self.session, self.name = session, inputs[0].name
        if inputs[0].type not in NUMBERS:
            raise ItemError(f"it takes {inputs[0].type}, not float32 or float16")
        self.dtype = NUMBERS[inputs[0].type]
        fixed = _fixed(inputs[0].shape)
        output = OUTPUT_OF_CARD if on_card else OUTPUT
        if fixed:
            scale = self._fitting_fixed(fixed)
            self.form = Form(scale, overlap=OVERLAP, fixed=fixed)
            return
        self.form = self._fitting()
        tolerance = ROUGH_TOLERANCE if on_card or self.dtype == np.float16 else TOLERANCE
        self.form = measured(self.form, lambda rgb: _finite(self.run(rgb)), tolerance)
        if not self.form.whole:
            self.form = replace(self.form, tile=max(64, output // max(self.form.scale, 2)))

    def run(
        self, rgb: Planes, known: Mapping[str, Planes] | None = None, wanted: str | None = None
    ) -> Planes:
        """As Engine has it; there are no pools."""
        planes = self._output(rgb)
        scale, border = self.form.scale, self.form.border
        sides = tuple(scale * (side - 2 * border) for side in rgb.shape[1:])
        if planes.shape[1:] != sides:
            raise ItemError(f"the network gives {_size(planes)} for {_size(rgb)}")
        return planes

    def _output(self, rgb: Planes) -> Planes:
        """What it gives for [3, h, w]: [3, H, W]; raises ItemError if it gives no such thing."""
        try:
            given = np.ascontiguousarray(rgb[None], self.dtype)
            (found,) = self.session.run(None, {self.name: given})
        except Exception as why:  # its errors have no kind in common
            if "allocate" in str(why):
                raise ItemError(
                    f"not enough memory for {_size(rgb)} at once: try a smaller --tile"
                ) from None
            raise ItemError(f"onnxruntime cannot run it: {_reason(why)}") from why
        if not isinstance(found, np.ndarray) or found.dtype not in NUMBERS.values():
            raise ItemError("it does not give float32 or float16")
        if found.ndim != 4 or found.shape[:2] != (1, 3):
            raise ItemError(f"it gives {list(found.shape)}, not [1, 3, H, W]")
        return np.asarray(found[0], np.float32)

    def _fitting_fixed(self, fixed: int) -> int:
        """The scale of a network that takes only squares of this size."""
        given = _picture(fixed, fixed)
        found = _finite(self._output(given))
        scale = int(found.shape[1]) // fixed
        if found.shape[1:] != (scale * fixed, scale * fixed) or not 1 <= scale <= LARGEST_SCALE:
            raise ItemError(f"it makes {_size(found)} of {_size(given)}, the only size it takes")
        return scale

    def _fitting(self) -> Form:
        """What can be told of a network that takes any size from the sizes that it gives."""
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
                self.form = Form(scale, cut // (2 * scale), align=align, least=height)
                try:
                    self.run(_picture(height, height + align))  # two sizes may fit by chance
                    return self.form
                except ItemError as error:
                    why = error
            else:
                why = ItemError(f"it makes {_size(found)} of {_size(given)}")
        raise why


def _fixed(shape: list[Any]) -> int:
    """The side that an input is bound to, or 0; names and None stand for any number."""
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
        raise ItemError("its output holds numbers that are none (NaN or infinite)")
    return planes


def _size(planes: Planes) -> str:
    return f"{planes.shape[2]}x{planes.shape[1]} pixels"
