"""The tagger that ships: what it finds, and what is not taken for one."""

import json
import struct
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from animetools.artist.artist import draw
from animetools.artist.character import EYE_COLORS, HAIR_COLORS
from animetools.errors import FatalError
from animetools.tagging.default import SHIPPED, DefaultTagger, read, write
from animetools.tagging.ncnn_cpu import NcnnNetwork
from animetools.tagging.network import Network, NetworkConfig
from animetools.tags import CATEGORIES, Tag
from tests.dataset.sets import picture

SMALL = NetworkConfig(side=32, channels=(4, 6), features=5, tags=2)
TAGS = [Tag("smile", "general", 0.5), Tag("hat", "general", 0.25)]


@pytest.fixture(scope="module")
def tagger() -> DefaultTagger:
    return DefaultTagger()


@pytest.fixture(scope="module")
def drawn(tagger: DefaultTagger) -> tuple[list[set[str]], NDArray[np.float32]]:
    """Portraits that it was not trained on: their true tags, and its probabilities."""
    drawings = [draw(902, number, 160) for number in range(1, 61)]
    names = [{tag.name for tag in drawing.tags} for drawing in drawings]
    return names, tagger([tagger.prepare(drawing.rgb) for drawing in drawings])


@pytest.mark.parametrize(
    ("group", "least"),
    [
        ([*HAIR_COLORS], 0.8),
        ([*EYE_COLORS], 0.7),
        (["hat", "beret", "witch_hat", "straw_hat", "baseball_cap"], 0.8),
        (["glasses"], 0.8),
        (["1girl", "1boy", "solo"], 0.8),
    ],
)
def test_it_finds_what_was_drawn(
    tagger: DefaultTagger,
    drawn: tuple[list[set[str]], NDArray[np.float32]],
    group: list[str],
    least: float,
) -> None:
    hits = found = there = 0
    for true, probabilities in zip(*drawn, strict=True):
        if "monochrome" in true:
            continue
        names = [name for name, _ in tagger.names]
        is_over = probabilities >= tagger.thresholds
        over = {name for name, over_ in zip(names, is_over, strict=True) if over_} & set(group)
        hits += len(over & true)
        found += len(over)
        there += len(true & set(group))
    assert 2 * hits / (found + there) > least


def test_scenery_has_no_face(tagger: DefaultTagger) -> None:
    empty = [draw(902, number) for number in (5, 7, 11, 14, 17, 20)]
    assert not any(drawing.faces for drawing in empty)
    probabilities = tagger([tagger.prepare(drawing.rgb) for drawing in empty])
    names = [name for name, _ in tagger.names]
    faces = [names.index(name) for name in (*HAIR_COLORS, *EYE_COLORS, "glasses", "1girl")]
    is_over = probabilities >= tagger.thresholds
    assert is_over[:, faces].mean() < 0.02
    assert is_over[:, names.index("no_humans")].sum() >= 4


def test_a_picture_has_the_same_probabilities_in_any_company(tagger: DefaultTagger) -> None:
    inputs = [tagger.prepare(picture(seed, 40 + seed, 60).transpose(1, 2, 0)) for seed in range(5)]
    together = tagger(inputs)
    assert together.shape == (5, len(tagger.names)) and together.dtype == np.float32
    threads = torch.get_num_threads()
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            with ThreadPoolExecutor(3) as pool:
                alone = [*pool.map(tagger, [[each] for each in reversed(inputs)])]
            assert np.array_equal(np.concatenate(alone)[::-1], together)
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(threads)


def test_its_tags_are_those_of_a_record(tagger: DefaultTagger) -> None:
    assert len({name for name, _ in tagger.names}) == len(tagger.names)
    assert {category for _, category in tagger.names} <= {*CATEGORIES.values()}
    assert len(tagger.thresholds) == len(tagger.names)
    assert Path(SHIPPED).stat().st_size < 4_000_000


def small_file(path: Path, tags: list[Tag] = TAGS) -> str:
    torch.manual_seed(0)
    with open(path, "wb") as file:
        write(Network(SMALL), tags, file)
    return str(path)


def test_a_file_is_read_back_with_its_thresholds(tmp_path: Path) -> None:
    path = small_file(tmp_path / "t.safetensors")
    network, tags = read(path)
    assert (network.config, tags) == (SMALL, TAGS)
    tagger = DefaultTagger(path=path)
    inputs = [tagger.prepare(picture(seed, 32, 32).transpose(1, 2, 0)) for seed in range(3)]
    with torch.inference_mode():
        plain = network(torch.from_numpy(np.stack(inputs)).float() / 127.5 - 1).sigmoid().numpy()
    assert np.allclose(tagger(inputs), plain, atol=1e-5)
    assert tagger.thresholds == [tag.probability for tag in TAGS]


def edited(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    """A change of the header of a safetensors file."""

    def edit(data: bytes) -> bytes:
        (size,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + size])
        change(header)
        made = json.dumps(header).encode()
        return struct.pack("<Q", len(made)) + made + data[8 + size :]

    return edit


def metadata(**values: Any) -> Callable[[bytes], bytes]:
    return edited(lambda header: header["__metadata__"].update(values))


def network_of(**sizes: Any) -> str:
    return json.dumps({"side": 32, "channels": [4, 6], "features": 5, "tags": 2} | sizes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: b"", "not a safetensors file"),
        (lambda data: b"rubbish" * 9, "not a safetensors file"),
        (lambda data: data[:-10], "broken or truncated"),
        (lambda data: data[:100], "broken or truncated"),
        (lambda data: struct.pack("<Q", 1 << 40) + data[8:], "header has more than"),
        (edited(lambda header: header.pop("__metadata__")), "its header does not say"),
        (metadata(format="pt"), "its header does not say"),
        (metadata(tags="[["), "its header is malformed"),
        (metadata(tags="[" * 100_000), "its header is malformed"),
        (metadata(tags='[["a", "general", 0.5], [1, "general", 0.5]]'), "is not \\[name, category"),
        (metadata(tags='[["a", "general", 0.5]]'), "it names 1 tags, its network has 2"),
        (metadata(tags='[["a", "general", 0.5], ["b", "general", 1]]'), "not between 0 and 1"),
        (metadata(network="[]"), "its header is malformed"),
        (metadata(network=network_of(side=10**9)), "invalid side"),
        (metadata(network=network_of(channels=[4, 10**9])), "invalid channels"),
        (metadata(network=network_of(channels=[4, 7])), "its tensors are not those of its network"),
        (metadata(network=network_of(depth=3)), "unknown field 'depth'"),
    ],
)
def test_what_is_no_tagger_is_one_sentence(
    tmp_path: Path, change: Callable[[bytes], bytes], words: str
) -> None:
    path = Path(small_file(tmp_path / "t.safetensors"))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(FatalError, match=words) as why:
        DefaultTagger(path=str(path))
    assert "\n" not in str(why.value)
    with pytest.raises(FatalError, match="cannot be read: No such file"):
        DefaultTagger(path=str(tmp_path / "none"))


@settings(max_examples=10)
@given(channels=st.lists(st.integers(1, 40), min_size=1, max_size=5), side=st.integers(32, 70))
def test_ncnn_gives_the_numbers_of_torch(channels: list[int], side: int) -> None:
    torch.manual_seed(0)
    network = Network(NetworkConfig(side=side, channels=tuple(channels), features=7, tags=3))
    copy = NcnnNetwork(network)
    picture = torch.rand(3, side, side) * 2 - 1
    with torch.no_grad():
        features = network.embed(picture[None])[0].numpy()
        probabilities = network(picture[None]).sigmoid()[0].numpy()
    np.testing.assert_allclose(copy.run(picture.numpy(), "features"), features, atol=1e-5)
    np.testing.assert_allclose(copy.run(picture.numpy(), "tags"), probabilities, atol=1e-5)


def test_without_ncnn_torch_computes(
    tagger: DefaultTagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [tagger.prepare(picture(seed, 40, 60).transpose(1, 2, 0)) for seed in range(2)]
    monkeypatch.setitem(sys.modules, "animetools.tagging.ncnn_cpu", None)
    other = DefaultTagger()
    assert tagger.on_cpu and not other.on_cpu
    np.testing.assert_allclose(other(inputs), tagger(inputs), atol=1e-5)
    images = np.stack(inputs)
    np.testing.assert_allclose(other.features(images), tagger.features(images), atol=1e-4)
