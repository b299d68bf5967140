"""ncnn as all who use it want it: in fp32, on a CPU, in the thread that runs it."""

from collections.abc import Mapping

import ncnn
import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]


def net() -> ncnn.Net:
    """A net without layers yet."""
    made = ncnn.Net()
    options = made.opt
    options.num_threads = 1
    options.use_vulkan_compute = False
    # Half the bits cost up to 10 grey levels, and on most processors time as well.
    options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
    options.use_bf16_storage = options.use_bf16_packed = False
    return made


def blob(net: ncnn.Net, given: Mapping[str, Values], wanted: str) -> Values | None:
    """The blob `wanted`, computed from others; several threads may do so at once.

    None if there is not enough memory.
    """
    extractor = net.create_extractor()
    for name, values in given.items():
        dense = np.ascontiguousarray(values)  # ncnn.Mat ignores strides
        # A clone: ncnn counts references to its own memory, but would compute in place in ours.
        extractor.input(name, ncnn.Mat(dense).clone())
    failed, found = extractor.extract(wanted)
    return None if failed else np.array(found)
