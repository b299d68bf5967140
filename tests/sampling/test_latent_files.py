"""Files of latents, from friends and strangers."""

import os
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from animetools.errors import Advice, FatalError, ItemError
from animetools.networks.config import MappingConfig
from animetools.networks.stylegan2.config import StyleGAN2GeneratorConfig
from animetools.networks.stylegan2.modules import Generator
from animetools.sampling.latent_files import read
from animetools.sampling.latents import Latent, Picture, synthesis_input
from animetools.sampling.npz import LARGEST
from animetools.sampling.options import SamplingOptions
from tests.tiny import generator

G = generator()  # z 12 wide, w 8, 6 rows
ALIKE = Generator(StyleGAN2GeneratorConfig(MappingConfig(8, 0, 8, 1, 8), (4, 4)))  # z and w 8 wide


@pytest.mark.parametrize(
    ("shape", "kind", "count"),
    [((12,), "z", 1), ((5, 12), "z", 5), ((8,), "w", 1), ((5, 8), "w", 5), ((5, 6, 8), "w", 5)],
)
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_the_shape_tells_what_it_is(
    tmp_path: Path, shape: tuple[int, ...], kind: str, count: int, suffix: str
) -> None:
    values = np.random.default_rng(0).standard_normal(shape)
    path = str(tmp_path / f"x.{suffix}")
    if suffix == "npy":
        np.save(path, values)
    else:
        np.savez_compressed(path, values)
    latents = read(path, G)
    found = list(latents)
    assert (latents.kind, len(found)) == (kind, count)
    wanted = values.reshape(count, *shape[1:] if len(shape) > 1 else shape).astype(np.float32)
    for latent, value in zip(found, wanted, strict=True):
        assert latent.values is not None
        assert latent.values.dtype == np.float32
        assert (latent.values == value).all()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("w", "w"), ("projected_w", "w"), ("W+", "w"), ("z", "z"), ("dlatents", "w")],
)
def test_the_name_decides_where_widths_are_alike(tmp_path: Path, name: str, kind: str) -> None:
    values = np.zeros((3, 8), np.float32)
    np.save(tmp_path / f"{name}.npy", values)
    with zipfile.ZipFile(tmp_path / "file.npz", "w") as archive:
        archive.write(tmp_path / f"{name}.npy", f"{name}.npy")
    assert read(str(tmp_path / f"{name}.npy"), ALIKE).kind == kind
    assert read(str(tmp_path / "file.npz"), ALIKE).kind == kind


def test_without_a_name_they_are_z_and_that_is_said(tmp_path: Path) -> None:
    np.save(tmp_path / "walk.npy", np.zeros((3, 8), np.float32))
    with pytest.warns(Advice, match=r"\[n, 8\] are taken as z: if they are w, give --latents w"):
        assert read(str(tmp_path / "walk.npy"), ALIKE).kind == "z"
    assert read(str(tmp_path / "walk.npy"), ALIKE, "w").kind == "w"


ROWS = np.arange(32, dtype=np.float32).reshape(4, 8)  # as many as ALIKE has rows of w


def test_no_rows_are_one_sentence_and_no_advice(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((0, 8)))
    with pytest.raises(ItemError, match="no latents in it"):
        read(str(tmp_path / "x.npy"), ALIKE)


def test_as_many_numbers_as_rows_of_w_are_asked_about(tmp_path: Path) -> None:
    path = str(tmp_path / "face_01.npy")
    np.save(path, ROWS)
    with pytest.raises(FatalError) as why:
        read(path, ALIKE)
    said = "is all rows of one picture's w, or z or w of 4 pictures: give --latents w+, z or w"
    assert str(why.value) == f"{path}: an array of shape [4, 8] {said}"
    for wanted, kind, count in (("w+", "w", 1), ("w", "w", 4), ("z", "z", 4)):
        latents = read(path, ALIKE, wanted)  # type: ignore[arg-type]
        assert (latents.kind, len(list(latents))) == (kind, count)
    np.save(tmp_path / "full.npy", ROWS[None])
    assert len(list(read(str(tmp_path / "full.npy"), ALIKE, "w"))) == 1
    assert read(path, G, "w").kind == "w"  # whose z is of another width
    with pytest.raises(ItemError, match=r"an array of shape \[4, 8\] is w, not z"):
        read(path, G, "z")


@pytest.mark.parametrize("name", ["w", "projected_w", "ws"])
def test_a_name_of_w_makes_them_the_rows_of_one_picture(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / f"{name}.npy", ROWS)
    with zipfile.ZipFile(tmp_path / "file.npz", "w") as archive:
        archive.write(tmp_path / f"{name}.npy", f"{name}.npy")
    for path in (f"{name}.npy", "file.npz"):
        with pytest.warns(
            Advice, match="taken as one picture's: if each row is one, give --latents w"
        ):
            (latent,) = read(str(tmp_path / path), ALIKE)
        assert latent.values is not None
        assert (latent.values == ROWS).all()


@pytest.mark.parametrize("shape", [(1, 4, 8), (1, 1, 4, 8), (3, 4, 8), (3, 1, 4, 8)])
def test_more_axes_are_rows_of_w_without_asking(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "z.npy", np.zeros(shape))
    latents = list(read(str(tmp_path / "z.npy"), ALIKE))
    assert (latents[0].kind, len(latents)) == ("w", shape[0])
    assert latents[0].values is not None
    assert latents[0].values.shape == (4, 8)


PLUS = torch.arange(32.0).view(4, 8)


@pytest.mark.parametrize("old", [False, True], ids=["", "legacy"])
@pytest.mark.parametrize(
    ("content", "count"),
    [
        (PLUS[None].repeat(3, 1, 1), 3),  # as e4e writes them
        ([PLUS, PLUS[None]], 2),
        ({"a.png": PLUS, "b.png": PLUS}, 2),
        ({"a.png": {"img": torch.zeros(3, 4, 4), "latent": PLUS}}, 1),  # rosinality's projector
        ({"a.png": {"latent": PLUS[0]}, "b.png": {"latent": PLUS[1]}}, 2),
        ({"latent": PLUS, "loss": 1.0}, 1),
        ({"latents": [PLUS, PLUS]}, 2),
        ({"a.png": {"w": PLUS}, "b.png": {"w": PLUS}}, 2),
        ([{"latent": PLUS, "loss": 1.0}, {"latent": PLUS[None]}], 2),
        ({"latents": {"a.png": PLUS, "b.png": PLUS}}, 2),
        ({"w": PLUS.double().requires_grad_()}, 1),
        ([PLUS.half(), PLUS.bfloat16()], 2),
    ],
)
def test_torchs_files_hold_w_of_pictures(
    tmp_path: Path, content: Any, count: int, old: bool
) -> None:
    path = str(tmp_path / "x.pt")
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    latents = list(read(path, ALIKE))
    assert [latent.kind for latent in latents] == ["w"] * count
    assert latents[0].values is not None
    assert (latents[0].values == (PLUS if latents[0].values.ndim == 2 else PLUS[0]).numpy()).all()


@pytest.mark.parametrize("name", ["a.png", ""])
def test_unused_noise_maps_are_said(tmp_path: Path, name: str) -> None:
    content = {"latent": PLUS, "noise": [torch.zeros(1, 1, 4, 4)]}
    torch.save({name: content} if name else content, tmp_path / "x.pt")
    with pytest.warns(Advice, match="noise maps in .pt files are not used"):
        assert len(list(read(str(tmp_path / "x.pt"), ALIKE))) == 1


@pytest.mark.parametrize(
    ("content", "said"), [(PLUS, "give --latents w+, z or w"), (PLUS[:1], "z or w: give")]
)
def test_a_tensor_that_may_be_anything_is_asked_about(
    tmp_path: Path, content: Any, said: str
) -> None:
    torch.save(content, tmp_path / "face.pt")
    with pytest.raises(FatalError, match=re.escape(said)):
        read(str(tmp_path / "face.pt"), ALIKE)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"g_ema": {"a": PLUS}}, "without latents"),
        ({}, "without latents"),
        ([], "without latents"),
        ("text", "without latents"),
        (torch.zeros(2, 3), "shape 2x3"),
        ([torch.zeros(12), torch.zeros(8)], "both z and w"),
    ],
)
def test_a_torch_file_without_latents_is_one_sentence(
    tmp_path: Path, content: Any, said: str
) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(ItemError, match=said):
        read(str(tmp_path / "x.pt"), G)


def test_one_array_among_others_is_found(tmp_path: Path) -> None:
    path = str(tmp_path / "x.npz")
    np.savez(path, w=np.zeros((1, 6, 8)), distance=np.zeros(7), name=np.array("a face"))
    assert read(path, G).kind == "w"
    np.savez(path, w=np.zeros((1, 6, 8)), z=np.zeros((1, 12)))
    with pytest.raises(ItemError, match=r"several arrays \(w, z\)"):
        read(path, G)


def test_fortran_order_and_whole_numbers_are_read(tmp_path: Path) -> None:
    values = np.asfortranarray(np.arange(24).reshape(2, 12))
    for suffix, save in (("npy", np.save), ("npz", np.savez)):
        path = str(tmp_path / f"x.{suffix}")
        save(path, values)
        found = [latent.values for latent in read(path, G)]
        assert found[1] is not None
        assert found[1].tolist() == list(range(12, 24))


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self.path,)


def test_nothing_in_torchs_files_is_executed(tmp_path: Path) -> None:
    torch.save([Bomb(str(tmp_path / "owned"))], tmp_path / "x.pt")
    with pytest.raises(ItemError, match=r"the pickle names posix\.mkdir.*: refused"):
        read(str(tmp_path / "x.pt"), G)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_nothing_is_executed(tmp_path: Path, suffix: str) -> None:
    path, owned = str(tmp_path / f"x.{suffix}"), tmp_path / "owned"
    values = np.array([Bomb(str(owned)), None], object)
    if suffix == "npy":
        np.save(path, values, allow_pickle=True)
    else:
        np.savez(path, values)
    with pytest.raises(ItemError, match="not an array of numbers"):
        read(path, G)
    assert not owned.exists()
    loaded = np.load(path, allow_pickle=True)
    if suffix == "npz":
        with loaded:
            assert loaded["arr_0"].shape == (2,)
    assert owned.exists()  # it would have gone off


def test_an_array_larger_than_its_file_is_refused_before_it_is_allocated(tmp_path: Path) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 12)}
    path = tmp_path / "x.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(48))
    data = path.read_bytes()
    with pytest.raises(ItemError, match="damaged"):
        read(str(path), G)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("z.npy", data)
    with pytest.raises(
        ItemError, match=f"array z: an array of {48 << 40} bytes, more than {LARGEST}"
    ):
        read(str(tmp_path / "x.npz"), G)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((3, 7), "shape 3x7; this network takes z [n, 12] or w [n, 8] or [n, 6, 8]"),
        ((3, 5, 8), "shape 3x5x8"),
        ((), r"shape ()"),
        ((0, 12), "no latents in it"),
        ((2, 1, 5, 8), "shape 2x1x5x8"),
    ],
)
def test_a_wrong_shape_is_one_sentence(tmp_path: Path, shape: tuple[int, ...], said: str) -> None:
    np.save(tmp_path / "x.npy", np.zeros(shape))
    with pytest.raises(ItemError) as why:
        read(str(tmp_path / "x.npy"), G)
    assert said in str(why.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text",
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00\x05\x00{'a'}",
        b"PK\x03\x04junk",
        pickle.dumps(1),
    ],
)
def test_another_file_is_one_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.npy").write_bytes(data)
    with pytest.raises(ItemError) as why:
        read(str(tmp_path / "x.npy"), G)
    assert "\n" not in str(why.value)


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("latents")
    np.save(folder / "x.npy", np.zeros((3, 12), np.float32))
    np.savez_compressed(folder / "x.npz", w=np.zeros((3, 6, 8), np.float32))
    return folder


@pytest.mark.filterwarnings("ignore")  # what Python says of damaged headers
@settings(max_examples=300, deadline=None)
@given(data=st.data(), suffix=st.sampled_from(["npy", "npz"]))
def test_a_damaged_file_is_latents_or_one_sentence(
    whole_files: Path, data: st.DataObject, suffix: str
) -> None:
    content = bytearray((whole_files / f"x.{suffix}").read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, min(len(content) - 1, 200)))] = data.draw(
            st.integers(0, 255)
        )
    end = data.draw(st.integers(0, len(content)))
    path = whole_files / "mutated"
    path.write_bytes(content[:end] if data.draw(st.booleans()) else content)
    try:
        assert len(list(read(str(path), G))) >= 1
    except ItemError as why:
        assert "\n" not in str(why)


def test_noise_maps_of_an_npz_belong_to_its_pictures(tmp_path: Path) -> None:
    network, path = generator(), str(tmp_path / "x.npz")
    maps = {
        f"noise{n}": np.full(shape, n, np.float32) for n, shape in enumerate(network.noise_shapes)
    }
    w = np.zeros((1, 8), np.float32)
    np.savez(path, w=w, facts=np.array("{}"), **maps)  # type: ignore[arg-type]
    (latent,) = read(path, network)
    assert [layer.shape for layer in latent.noise] == network.noise_shapes
    drawn = synthesis_input(network, latent, 1).noise
    assert [float(layer.mean()) for layer in drawn] == [0, 1, 2, 3, 4]  # type: ignore[union-attr]
    assert synthesis_input(network, latent, 1, SamplingOptions(noise="none")).noise == "none"
    for broken in (
        {"noise4": np.zeros((8, 8))},
        {"noise5": np.zeros((16, 16))},
        {"noise0": np.zeros(16)},
        {"noise0": np.array("text")},
        {"noise0": np.full((4, 4), np.nan, np.float32)},
    ):
        np.savez(path, w=w, **(maps | broken))
        with pytest.raises(ItemError, match="noise map"):
            synthesis_input(network, next(iter(read(path, network))), 1)


def test_the_picture_of_a_file_is_not_that_of_another_with_the_same_w() -> None:
    values = np.zeros(8, np.float32)
    plain = Latent(None, "w", values)
    noisy = Latent(None, "w", values, noise=(np.ones((4, 4), np.float32),))
    assert Picture(plain, 1.0).digest != Picture(noisy, 1.0).digest
    assert plain.entropy == noisy.entropy
