"""Embeddings: those of ONNX files of every layout, and the one that ships."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image

from animetools.artist.artist import draw
from animetools.errors import FatalError
from animetools.tagging.embedding import AT_ONCE, Embedding, default_embedding
from tests.dataset.sets import picture
from tests.tagging.embeddings import embedding_file


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        (["n", 3, "h", "w"], TensorProto.FLOAT),
        ([4, 3, 8, 12], TensorProto.FLOAT),
        (["n", "h", "w", 3], TensorProto.FLOAT),
        ([1, 8, 12, 3], TensorProto.FLOAT),
        (["n", 8, 12, 3], TensorProto.UINT8),
        (["n", 3, 8, 12], TensorProto.FLOAT16),
    ],
)
def test_an_embedding_is_given_what_its_file_says(
    tmp_path: Path, shape: list[int | str], kind: int
) -> None:
    embedding = Embedding(embedding_file(tmp_path / "e.onnx", shape, kind), 1)
    images = np.stack([picture(seed, 12, 8) for seed in range(6)])
    expected = images.astype(float).mean(2)  # [n, c, w]
    if kind != TensorProto.UINT8:
        expected = expected / 127.5 - 1
    if shape[3] == 3:
        expected = expected.transpose(0, 2, 1)
    atol = 1e-5 if kind != TensorProto.FLOAT16 else 1e-3
    assert np.allclose(embedding(images), expected.reshape(6, -1), atol=atol)
    grey = embedding(images[:, :1])
    assert np.allclose(grey, embedding(images[:, :1].repeat(3, 1)))


def test_an_embedding_of_another_size_gets_scaled_images(tmp_path: Path) -> None:
    embedding = Embedding(embedding_file(tmp_path / "e.onnx", ["n", 3, 16, 8]), 1)
    image = picture(0, 24, 48)
    small = Image.fromarray(image.transpose(1, 2, 0)).resize((8, 16), Image.Resampling.BICUBIC)
    expected = np.asarray(small, np.float64).transpose(2, 0, 1).mean(1) / 127.5 - 1
    assert np.abs(embedding(image[None]) - expected.reshape(1, -1)).max() < 0.01


def constant() -> bytes:
    """A network without an input."""
    value = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
    gives = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [helper.make_node("Constant", [], ["y"], value=value)], "g", [], [gives]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"rubbish"), "not a usable ONNX file"),
        (lambda path: None, "cannot be read: No such file"),
        (lambda path: path.write_bytes(constant()), "takes nothing"),
        (lambda path: embedding_file(path, ["n", 4, 8, 8]), "not images: that would be"),
        (lambda path: embedding_file(path, ["n", 3, 8, 8], TensorProto.INT64), "not images"),
        (lambda path: embedding_file(path, ["n", 3, 1 << 20, 8]), "too large"),
        (lambda path: embedding_file(path, ["n", 3, 8, 8], more=999), "24000 numbers"),
    ],
)
def test_what_is_no_embedding_is_one_sentence(tmp_path: Path, make: object, words: str) -> None:
    make(tmp_path / "e.onnx")  # type: ignore[operator]
    with pytest.raises(FatalError, match=words) as why:
        Embedding(str(tmp_path / "e.onnx"), 1)(picture(0)[None])
    assert "\n" not in str(why.value)


def test_the_default_embedding_is_the_same_in_any_company() -> None:
    images = np.stack([picture(seed, 24, 40) for seed in range(AT_ONCE // 4)])
    embed = default_embedding("cpu", 1)
    found = embed(images)
    assert np.isfinite(found).all() and found.shape[0] == len(images)
    assert np.array_equal(found, default_embedding("cpu", 3)(images))
    assert np.array_equal(found[5:6], embed(images[5:6]))
    assert np.array_equal(embed(images[:, :1]), embed(images[:, :1].repeat(3, 1)))


def test_the_default_embedding_puts_copies_beside_their_original() -> None:
    originals, copies = [], []
    for number in range(1, 9):
        rgb = draw(901, number, 128).rgb
        _, data = cv2.imencode(".jpg", cv2.resize(rgb, (90, 90), interpolation=cv2.INTER_AREA))
        originals.append(rgb.transpose(2, 0, 1))
        copies.append(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8).transpose(2, 0, 1))
    embed = default_embedding("cpu", 1)
    apart = np.linalg.norm(embed(np.stack(originals))[:, None] - embed(np.stack(copies)), axis=2)
    assert np.array_equal(apart.argmin(1), np.arange(8))
