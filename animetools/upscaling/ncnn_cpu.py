"""Networks in ncnn's format on a CPU, computed by ncnn."""

import os
from collections.abc import Mapping

from animetools.errors import FatalError, ItemError
from animetools.networks import ncnn
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
        self.net = ncnn.net()
        if self.net.load_param(os.fsencode(param)) or self.net.load_model(os.fsencode(bin)):
            raise FatalError(f"{param} and its weights cannot be run by ncnn")

    def run(
        self, rgb: Planes, known: Mapping[str, Planes] | None = None, wanted: str | None = None
    ) -> Planes:
        """See UpscalingNetwork."""
        found = ncnn.blob(self.net, {self.entry: rgb, **(known or {})}, wanted or self.exit)
        if found is None:
            raise ItemError("not enough memory for it: try a smaller --tile")
        return found
