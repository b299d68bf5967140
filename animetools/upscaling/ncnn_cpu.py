"""Networks in ncnn's format on a CPU, computed by ncnn."""

import os
from collections.abc import Mapping

import ncnn
import numpy as np

from animetools.errors import FatalError, ItemError
from animetools.upscaling.ncnn_graph import Graph
from animetools.upscaling.network import Planes


class CpuNetwork:
    """The network of a .param and its .bin, ready to run.

    Each run takes one thread, so that several at once share nothing and the result does not depend
    on how many there are.
    """

    def __init__(self, graph: Graph, param: str, bin: str) -> None:
        """Load the files that `graph` was read from.

        Raises FatalError if ncnn cannot load them.
        """
        self.geometry, self.entry, self.exit = graph.geometry, graph.entry, graph.exit
        self.net = ncnn.Net()
        options = self.net.opt
        options.num_threads = 1
        options.use_vulkan_compute = False
        # Half the bits cost up to 10 grey levels, and on most processors time as well.
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
        options.use_bf16_storage = options.use_bf16_packed = False
        if self.net.load_param(os.fsencode(param)) or self.net.load_model(os.fsencode(bin)):
            raise FatalError(f"{param} and its weights cannot be run by ncnn")

    def run(
        self, rgb: Planes, known: Mapping[str, Planes] | None = None, wanted: str | None = None
    ) -> Planes:
        """See UpscalingNetwork."""
        extractor = self.net.create_extractor()
        for name, blob in {self.entry: rgb, **(known or {})}.items():
            dense = np.ascontiguousarray(blob)  # ncnn.Mat ignores strides
            # A clone: ncnn counts references to its own memory, but would compute in place in ours.
            extractor.input(name, ncnn.Mat(dense).clone())
        failed, found = extractor.extract(wanted or self.exit)
        if failed:
            raise ItemError("not enough memory for it: try a smaller --tile")
        return np.array(found)
