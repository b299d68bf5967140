"""Pictures compared by the features of a network."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from animetools.download import sha256_of
from animetools.errors import FatalError
from animetools.images.fit import fit
from animetools.neighbors.comparison import DIGITS, Found, Pixels, Rows, Search
from animetools.networks.cpu import alone
from animetools.tagging.default import SHIPPED, DefaultTagger
from animetools.tagging.embedding import AT_ONCE, Embed, Embedding

USUAL_SIDE = 224  # of the images for a network that takes any
CHUNK = 1 << 12  # references: a product with them stays in the cache
SLACK = 1e-5  # of a product in single precision
COMPARED = 1 << 12  # in double precision at once


class Features:
    """The comparison by features, scaled to length 1, in half precision.

    A distance is half the squared one of such features, which is 1 - cosine: 0 for the same, 1 for
    unrelated ones. An image is fitted into a white frame of the network's size.
    """

    def __init__(self, embedding: str, device: str) -> None:
        """The features of an ONNX file, or for "" of the tagger that ships.

        Raises FatalError, in one sentence, if the file or the device cannot be used.
        """
        self.embed: Embed
        if embedding:
            network = Embedding(embedding, 1, device, "near")
            self.is_on_cpu, self.device = network.is_on_cpu, torch.device("cpu")
            self.size = (network.width or USUAL_SIDE, network.height or USUAL_SIDE)
            self.embed = network
        else:
            tagger = DefaultTagger(device, AT_ONCE)
            self.is_on_cpu, self.device = tagger.is_on_cpu, tagger.device
            self.size = (tagger.side, tagger.side)
            self.embed = tagger.features
        self.identity = f"features of {sha256_of(embedding or SHIPPED)[:16]}, version 1"
        blank = self.prepare(np.full((1, 1, 3), 255, np.uint8))
        self.none: Rows = self.rows([blank])[:0]
        if self.none.shape[1] < 2:
            raise FatalError(
                f"{embedding} gives one number for an image, which is not an embedding"
            )

    def prepare(self, rgb: Pixels) -> NDArray[Any]:
        """A picture at the network's size, uint8 [3, H, W]."""
        return np.ascontiguousarray(fit(rgb, self.size)[0].transpose(2, 0, 1))

    def rows(self, prepared: Sequence[NDArray[Any]]) -> Rows:
        """Features, float16 [n, d]."""
        # Another number of images may choose other kernels, which round otherwise.
        step = 1 if self.is_on_cpu else AT_ONCE
        parts = []
        for at in range(0, len(prepared), step):
            some = prepared[at : at + step]
            full = np.stack([*some, *[some[-1]] * (step - len(some))])
            with alone():
                parts.append(self.embed(full)[: len(some)])
        features = np.concatenate(parts)
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        scaled = features / np.maximum(lengths, np.finfo(np.float32).tiny)
        return np.asarray(scaled, np.float16)

    def search(self, references: Rows) -> Search:
        """What finds the nearest of these features, on the network's device."""
        return Product(references, self.device)


class Product:
    """The nearest features by an exact product with all of them.

    |q - r|^2 / 2 = |q|^2 / 2 - (q r - |r|^2 / 2), whose last part is the score here.
    """

    def __init__(self, references: Rows, device: torch.device) -> None:
        self.references = references
        self.device = device
        self.there = torch.from_numpy(references).to(device)
        squares = [
            np.square(references[at : at + CHUNK], dtype=np.float32).sum(1)
            for at in range(0, len(references), CHUNK)
        ]
        self.halves = torch.from_numpy(np.concatenate(squares) / 2).to(device)

    @torch.inference_mode()
    def __call__(self, rows: Rows, without: Sequence[NDArray[np.int64]]) -> list[Found | None]:
        queries = torch.from_numpy(rows).to(self.device).float()
        best = torch.full((len(rows),), -torch.inf, device=self.device)
        near: list[NDArray[np.int64]] = []  # rows of references, queries
        scores: list[NDArray[np.float32]] = []
        with alone():
            for first in range(0, len(self.references), CHUNK):
                some = self.there[first : first + CHUNK].float()
                halves = self.halves[first : first + CHUNK, None]
                score = torch.addmm(halves, some, queries.T, beta=-1)
                for number, own in enumerate(without):
                    own = own[(own >= first) & (own < first + CHUNK)] - first
                    score[own, number] = -torch.inf
                best = torch.maximum(best, score.amax(0))
                # Single precision cannot tell which of the nearest is the nearest.
                close = (score >= best - SLACK) & score.isfinite()
                scores.append(score[close].cpu().numpy())
                near.append(
                    close.nonzero().add(torch.tensor([first, 0], device=self.device)).cpu().numpy()
                )
        bests = best.cpu().numpy()
        places, found = np.concatenate(near), np.concatenate(scores)
        places = places[found >= bests[places[:, 1]] - SLACK]
        return [
            self._nearest(row, places[places[:, 1] == number, 0]) for number, row in enumerate(rows)
        ]

    def _nearest(self, row: Rows, candidates: NDArray[np.int64]) -> Found | None:
        """The nearest of some references, in double precision."""
        found = []
        for at in range(0, len(candidates), COMPARED):
            some = candidates[at : at + COMPARED]
            apart = self.references[some].astype(np.float64) - row.astype(np.float64)
            distances = (np.square(apart).sum(1) / 2).round(DIGITS)
            first = int(distances.argmin())
            found.append(Found(int(some[first]), float(distances[first])))
        return min(found, key=lambda one: (one.distance, one.row), default=None)
