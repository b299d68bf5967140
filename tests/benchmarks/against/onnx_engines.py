"""OpenVINO or onnxruntime with one thread: NAME FILES runs FILES.onnx on FILES.npy for `turns.serve`.

Its first result is written to FILES.NAME.npy.
"""

import sys
from collections.abc import Callable

import numpy as np

from tests.benchmarks.against.turns import serve


def openvino(model: str, given: np.ndarray, precision: str) -> Callable[[], np.ndarray]:
    """A function that runs it, at the precision f32 or bf16."""
    from openvino import Core

    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    read = Core().read_model(model)
    read.reshape(given.shape)  # it is faster where it knows the size
    request = Core().compile_model(read, "CPU", settings).create_infer_request()
    return lambda: request.infer([given])[0]


def onnxruntime(model: str, given: np.ndarray) -> Callable[[], np.ndarray]:
    """A function that runs it."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = 1
    session = InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (name,) = (each.name for each in session.get_inputs())
    return lambda: session.run(None, {name: given})[0]


def main() -> None:
    name, files = sys.argv[1:]
    given = np.load(f"{files}.npy")
    engine, precision = name.split()
    if engine == "openvino":
        run = openvino(f"{files}.onnx", given, precision.replace("fp", "f"))
    else:
        run = onnxruntime(f"{files}.onnx", given)
    np.save(f"{files}.{name}.npy", run())
    serve(run)


if __name__ == "__main__":
    main()
