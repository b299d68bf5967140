"""ONNX files that onnxruntime has checked, computed by OpenVINO."""

import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Precision = Literal["fp32", "bf16"]
Compute = Callable[[NDArray[Any]], Any]  # a network's first output for its only input

# Held in first calls: two at once may wait for each other for ever, one with Python's lock and one
# with that of a variable in OpenVINO's bindings.
_first = threading.Lock()


class ByOpenVino:
    """Computes a network on a CPU, from its first call on; several threads may call it at once.

    `otherwise` computes it where OpenVINO is not installed, is broken, or lacks something that the file needs.
    """

    def __init__(self, path: str, dtype: Precision, otherwise: Compute) -> None:
        """Open nothing yet: OpenVINO allocates what a file asks for, which must be checked first."""
        self.path, self.dtype, self.compute = path, dtype, otherwise
        self.is_open = False

    def __call__(self, given: NDArray[Any]) -> Any:
        """What the network makes of `given`."""
        if not self.is_open:
            with _first:
                if not self.is_open:
                    self.compute = _opened(self.path, self.dtype) or self.compute
                    try:
                        return self.compute(given)
                    finally:
                        self.is_open = True
        return self.compute(given)


def _opened(path: str, dtype: Precision) -> Compute | None:
    """What computes a file, with one thread a call; bf16 is fp32 where the CPU lacks it."""
    # openvino tells Google Analytics of every import, unless this package of its is missing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        from openvino import Core

        core = Core()
        has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if dtype == "bf16" and has_bf16 else "f32",
            "NUM_STREAMS": cores,  # each of one thread
            "INFERENCE_NUM_THREADS": cores,
            "ENABLE_CPU_PINNING": False,  # several processes would share one core
        }
        compiled = core.compile_model(path, "CPU", settings)
    except Exception:  # noqa: BLE001  missing, broken, or of the file: they have no kind in common
        return None
    requests = threading.local()

    def compute(given: NDArray[Any]) -> Any:
        if not hasattr(requests, "own"):
            requests.own = compiled.create_infer_request()
        return np.array(requests.own.infer([given], share_inputs=True)[0])

    return compute
