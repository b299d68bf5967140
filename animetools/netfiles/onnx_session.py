"""Other people's ONNX files, run by onnxruntime."""

import os
import re
import stat
from typing import Any

from animetools.errors import FatalError

CARD, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def open_session(path: str, device: str, threads: int, extra: str) -> Any:
    """An onnxruntime.InferenceSession of a file.

    `device` is "cpu", "cuda", "cuda:1", or "auto": a card if onnxruntime has one. On a CPU a run
    takes so many `threads`. `extra` is what installs onnxruntime for the caller.

    onnxruntime knows its own operators only, and takes weights outside the file from its folder
    only. An ONNX file is a program all the same: how long it runs, in how much memory, is not known
    before.

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
    if device not in ("cpu", "auto") and CARD not in session.get_providers():
        raise FatalError(f"--device {device}: onnxruntime cannot use it: use --device cpu")
    return session


def reason_of(why: Exception) -> str:
    """onnxruntime's message on one line, without its source files."""
    text = re.sub(_NOISE, "", str(why), flags=re.DOTALL)
    text = " ".join(text.split()).rstrip(".")
    return "".join(c if c.isprintable() else "?" for c in text[:300])


_NOISE = r"\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from .*? failed: ?|\S*onnxruntime_src\S*"


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
