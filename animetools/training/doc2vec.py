"""Vectors of tags by doc2vec: what gensim learns from the lists of tags of a dataset.

An image's list of tags is a document, and PV-DBOW gives each document a vector that tells its tags.
Le and Mikolov 2014 (Distributed Representations of Sentences and Documents), section 2.3.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from animetools.dataset.training_set import Images
from animetools.errors import FatalError
from animetools.netfiles.classes import names_of
from animetools.netfiles.networkfile import NetworkFile
from animetools.networks.layers import Bag
from animetools.training.gan import GAN
from animetools.training.labels import is_same_bag

EPOCHS = 20  # at least
READ = 200_000  # lists at least, in all epochs: vectors are random numbers at first
NEGATIVE = 5  # tags that an image does not have, for each that it has
DAMPING = 1.0  # of the least squares: rare tags get short vectors
STEPS = 50  # of their solver, at most
CHUNK = 64  # images


def fit(gan: GAN, images: Images, source: NetworkFile | None) -> None:
    """Give networks whose bags do not learn the vectors of the tags of these images.

    They keep those of the source that they come from if it knows these very tags.

    Raises FatalError as `tag_vectors`.
    """
    names = names_of(source.facts) if source else ()
    if source and is_same_bag(source.generator, gan.generator, names, images.label_names):
        return
    vectors = tag_vectors(images, gan.config.tag_width, gan.config.seed)
    for network in (gan.generator, gan.discriminator, gan.ema):
        mapping: Any = network.mapping
        mapping.bag.weight.copy_(vectors)


def tag_vectors(images: Images, width: int, seed: int) -> torch.Tensor:
    """A matrix [tags, width] for a `Bag`, that brings any list of tags to its place among documents.

    It is the linear map from tags to the vectors of documents, about their mean, by least squares:
    on drawn portraits its vectors are as near to those of new lists as gensim's own inference is,
    and they need nothing but the matrix. The same for the same images and seed.

    Raises FatalError if gensim is missing, or the labels are not lists of tags.
    """
    try:
        from gensim.models.doc2vec import Doc2Vec, TaggedDocument
        from scipy import sparse
        from scipy.sparse.linalg import aslinearoperator, lsmr
    except ImportError:
        raise FatalError(
            "--tag-embedding doc2vec needs gensim: pip install 'animetools[doc2vec]'"
        ) from None
    lists = list(_lists(images))
    if not lists:
        raise FatalError(f"{images.path}: no image has a tag to learn --tag-embedding doc2vec from")
    learned: Any = Doc2Vec(
        [TaggedDocument(list(map(str, tags)), [n]) for n, tags in enumerate(lists)],
        vector_size=width,
        dm=0,
        negative=NEGATIVE,
        min_count=1,
        epochs=max(EPOCHS, READ // max(1, len(lists))),
        seed=seed,
        workers=1,  # the same in every run
    )
    documents = learned.dv.vectors.astype(np.float64)
    documents -= documents.mean(0)
    starts = np.cumsum([0, *map(len, lists)])
    tags = np.concatenate(lists)
    each = np.ones(len(tags))
    has = sparse.csr_array((each, tags, starts), shape=(len(lists), images.label_dim))
    mean = np.asarray(has.mean(0))[None]
    ones = np.ones((len(lists), 1))
    centered = aslinearoperator(has) - aslinearoperator(ones) @ aslinearoperator(mean)
    columns = [lsmr(centered, one, damp=DAMPING, maxiter=STEPS)[0] for one in documents.T]
    found = np.stack(columns, 1)
    usual = np.square(centered @ found).mean() / Bag.TAGS
    return torch.from_numpy(found / math.sqrt(usual or 1.0)).float()


def _lists(images: Images) -> Iterator[NDArray[np.int64]]:
    """The numbers of the tags of each image that has any; mirror images are left out."""
    for begin in range(0, len(images.chosen), CHUNK):
        labels = images.labels(range(begin, min(begin + CHUNK, len(images.chosen))))
        if not np.isin(labels, (0, 1)).all():
            raise FatalError(
                f"{images.path}: --tag-embedding doc2vec is for lists of tags, and its labels hold "
                "other numbers than 0 and 1: pass --tag-embedding bag"
            )
        yield from (tags for tags in map(np.flatnonzero, labels) if len(tags))
