"""Vectors of tags that gensim learns."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from animetools.dataset.training_set import Images
from animetools.errors import FatalError
from animetools.training.doc2vec import tag_vectors
from tests.dataset.sets import encoded, picture

TAGS = 8


def dataset(path: Path, *, weight: float = 1.0) -> Images:
    """Images of eight tags, of which 0 to 3 stand together, as 4 to 7 do; one has none."""
    random = np.random.RandomState(0)
    with zipfile.ZipFile(path, "w") as file:
        labels = []
        for number in range(60):
            vector = np.zeros(TAGS)
            if number:
                vector[random.permutation(4)[:3] + 4 * (number % 2)] = weight
            file.writestr(f"{number:02}.png", encoded(picture(number, 8, 8)))
            labels.append([f"{number:02}.png", vector.tolist()])
        names = [f"tag{n}" for n in range(TAGS)]
        file.writestr("dataset.json", json.dumps({"labels": labels, "label_names": names}))
    return Images(str(path), conditional=True, mirror=True)


def test_tags_that_stand_together_are_near(tmp_path: Path) -> None:
    images = dataset(tmp_path / "d.zip")
    vectors = tag_vectors(images, 5, 3)
    assert vectors.shape == (TAGS, 5)
    assert torch.equal(tag_vectors(images, 5, 3), vectors)
    assert not torch.equal(tag_vectors(images, 5, 4), vectors)
    documents = torch.from_numpy(images.labels(range(1, 60))) @ vectors
    documents = torch.nn.functional.normalize(documents - documents.mean(0))
    near = documents @ documents.T
    same = torch.arange(59)[:, None] % 2 == torch.arange(59) % 2
    assert near[same].mean() > near[~same].mean() + 0.5


def test_labels_that_are_no_lists_are_refused(tmp_path: Path) -> None:
    images = dataset(tmp_path / "d.zip", weight=0.5)
    with pytest.raises(FatalError, match="other numbers than 0 and 1: pass --tag-embedding bag"):
        tag_vectors(images, 5, 0)
