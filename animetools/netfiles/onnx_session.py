"""Other people's ONNX files, run by onnxruntime, or on a CPU by OpenVINO."""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from animetools.errors import FatalError
from animetools.netfiles.onnx_openvino import ByOpenVino, Compute, Precision

CARD, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class OnnxError(Exception):
    """Why a network cannot be run, in a line."""


@dataclass(frozen=True)
class Port:
    """An input or output as the file declares it; sizes that it leaves open are names or None."""

    name: str
    type: str
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True)
class OnnxNetwork:
    """A network of an ONNX file, ready to run; several threads may run it at once."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    texts: Mapping[str, str]  # that the file holds besides
    is_on_cpu: bool
    compute: Compute

    def run(self, given: NDArray[Any]) -> Any:
        """Its first output for its first input: an array, unless the file says otherwise.

        Raises MemoryError, or OnnxError if it cannot be run.
        """
        try:
            return self.compute(given)
        except Exception as why:  # the engines' errors have no kind in common
            if "alloc" in str(why):
                raise MemoryError from None
            raise OnnxError(reason_of(why)) from why


def open_session(
    path: str, device: str, threads: int, extra: str, dtype: Precision | None = None
) -> OnnxNetwork:
    """The network of a file.

    `device` is "cpu", "cuda", "cuda:1", or "auto": a card if onnxruntime has one. On a CPU a run
    takes so many `threads`. `extra` is what installs onnxruntime for the caller. With a `dtype`,
    OpenVINO computes on a CPU where it is installed, with one thread a run; bf16 is fp32 where the
    CPU lacks it. Without, or with an operator that OpenVINO lacks, onnxruntime computes in fp32.

    onnxruntime reads the file first in any case: it checks the types and the sizes of all that is in
    it, knows its own operators only, and takes weights outside the file from its folder only. An
    ONNX file is a program all the same: how long it runs, in how much memory, is not known before.

    Raises FatalError, one sentence, if the file or the device cannot be used.
    """
    try:
        import onnxruntime
    except ImportError as why:
        raise FatalError(
            f"onnxruntime cannot be loaded ({why}): pip install 'animetools[{extra}]'"
        ) from None
    has_card = CARD in onnxruntime.get_available_providers()
    if device not in ("cpu", "auto") and not has_card:
        raise FatalError(
            f"--device {device}: this onnxruntime computes on the CPU only: use --device cpu, or"
            " install onnxruntime-gpu instead"
        )
    providers: list[Any] = [CPU]
    if device != "cpu" and has_card:
        providers.insert(0, (CARD, {"device_id": device.partition(":")[2] or 0}))
    _check(path)
    onnxruntime.set_default_logger_severity(4)  # it would print to standard error
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, threads
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        # Its own way of falling back to the CPU prints to standard output.
        session = onnxruntime.InferenceSession(path, options, providers, enable_fallback=0)
    except Exception as why:  # its errors have no kind in common
        raise FatalError(f"{path} is not a usable ONNX file: {reason_of(why)}") from why
    is_on_cpu = CARD not in session.get_providers()
    if device not in ("cpu", "auto") and is_on_cpu:
        raise FatalError(f"--device {device}: onnxruntime cannot use it: use --device cpu")
    try:
        inputs, outputs = map(_ports, (session.get_inputs(), session.get_outputs()))
        texts = dict(session.get_modelmeta().custom_metadata_map)
    except UnicodeDecodeError as why:  # it keeps texts as bytes until they are asked for
        raise FatalError(f"{path} is damaged: it has names that are not UTF-8") from why

    def computed(given: NDArray[Any]) -> Any:
        return session.run([outputs[0].name], {inputs[0].name: given})[0]

    compute = ByOpenVino(path, dtype, computed) if dtype and is_on_cpu else computed
    return OnnxNetwork(inputs, outputs, texts, is_on_cpu, compute)


def _ports(found: list[Any]) -> tuple[Port, ...]:
    return tuple(Port(each.name, each.type, tuple(each.shape or ())) for each in found)


def reason_of(why: Exception) -> str:
    """An engine's message on one line, without its source files."""
    text = re.sub(_NOISE, "", str(why), flags=re.DOTALL)
    text = " ".join(text.split()).rstrip(".")
    return "".join(c if c.isprintable() else "?" for c in text[:300])


_NOISE = (
    r"\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from .*? failed: ?|\S*onnxruntime_src\S*"
    r"|Exception from src/\S+:\n"
)


def _check(path: str) -> None:
    """Raise FatalError for what would make onnxruntime wait, or give a poor message."""
    try:
        is_file = stat.S_ISREG(os.stat(path).st_mode)
        path.encode()
    except OSError as why:
        raise FatalError(f"{path} cannot be read: {why.strerror}") from why
    except UnicodeEncodeError as why:
        raise FatalError(f"{path}: onnxruntime takes names in UTF-8 only: rename it") from why
    if not is_file:
        raise FatalError(f"{path} is not a file")
