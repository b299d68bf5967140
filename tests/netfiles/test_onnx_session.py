"""ONNX files by OpenVINO: the numbers of onnxruntime, and what happens without OpenVINO."""

import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from animetools.netfiles.onnx_openvino import ByOpenVino
from animetools.netfiles.onnx_session import OnnxError, open_session
from tests.conftest import ROOT
from tests.quick import SERVER
from tests.upscaling.onnxfiles import model, node

Images = list[NDArray[Any]]
RNG = np.random.default_rng(0)
IMAGE = RNG.random((1, 3, 40, 40), np.float32)


@pytest.fixture
def network(tmp_path: Path) -> str:
    """The path of a small one."""
    w, v = RNG.normal(0, 0.2, (2, 16, 3, 3, 3)).astype(np.float32)
    nodes = [node("Conv", "x w", "a"), node("Relu", "a", "b"), node("Conv", "b v")]
    path = tmp_path / "a.onnx"
    path.write_bytes(model(*nodes, w=w, v=v.swapaxes(0, 1).copy()))
    return str(path)


def never(given: object) -> Any:
    raise AssertionError("OpenVINO did not compute it")


def computed(path: str, dtype: Literal["fp32", "bf16"], images: Images, threads: int) -> Images:
    """What OpenVINO makes of each image, by so many threads, and at the end of the first again."""
    compute = ByOpenVino(path, dtype, never)
    with ThreadPoolExecutor(threads) as pool:
        return [*pool.map(compute, images), compute(images[0])]


def in_session(path: str, dtype: Literal["fp32", "bf16"] | None) -> NDArray[Any]:
    """What a session makes of an image."""
    return np.asarray(open_session(path, "cpu", 1, "tag", dtype).run(IMAGE))


def failure(path: str, dtype: Literal["fp32", "bf16"] | None) -> str:
    """What a session says of an image of two channels, of which the network wants three."""
    with pytest.raises(OnnxError) as why:
        open_session(path, "cpu", 1, "tag", dtype).run(IMAGE[:, :2].copy())
    return str(why.value)


def opened(path: str) -> bool:
    """Whether OpenVINO opens a file."""
    return ByOpenVino(path, "fp32", lambda given: None)(IMAGE) is not None


@pytest.fixture(scope="module")
def openvino() -> Iterator[Callable[..., Any]]:
    """Call a function in a process that may load OpenVINO."""
    with ProcessPoolExecutor(1, SERVER) as pool:
        yield lambda function, *given: pool.submit(function, *given).result()


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_openvino_gives_the_numbers_of_onnxruntime(
    network: str, dtype: Literal["fp32", "bf16"], openvino: Callable[..., Any]
) -> None:
    wanted = in_session(network, None)
    found = openvino(computed, network, dtype, [IMAGE], 1)[0]
    assert (found == openvino(in_session, network, dtype)).all()
    error = abs(found - wanted)
    if dtype == "fp32":
        assert error.max() < 1e-4 * abs(wanted).max()
    else:
        assert 20 * math.log10(np.ptp(wanted) / max(np.sqrt(np.mean(error**2)), 1e-9)) > 42


def test_a_result_depends_neither_on_threads_nor_on_the_next(
    network: str, openvino: Callable[..., Any]
) -> None:
    images = [IMAGE[:, :, :, :width].copy() for width in range(10, 40)]
    alone = openvino(computed, network, "bf16", images, 1)
    for found in (alone, openvino(computed, network, "bf16", images, 4)):
        for one, other in zip(found, [*alone[:-1], alone[0]], strict=True):
            assert (one == other).all()


def test_without_openvino_onnxruntime_computes(network: str) -> None:
    assert (in_session(network, "bf16") == in_session(network, None)).all()


def test_a_broken_openvino_is_as_none(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def core() -> None:
        raise RuntimeError("no plugin for a CPU")

    monkeypatch.setitem(sys.modules, "openvino", SimpleNamespace(Core=core))
    assert ByOpenVino(network, "bf16", lambda given: given)(IMAGE) is IMAGE


def test_what_openvino_cannot_open_is_not_its_own(
    tmp_path: Path, network: str, openvino: Callable[..., Any]
) -> None:
    path = tmp_path / "b.onnx"
    path.write_bytes(b"no network")
    assert not openvino(opened, str(path))
    assert openvino(opened, network)


def test_what_cannot_be_run_is_told_in_a_line(network: str, openvino: Callable[..., Any]) -> None:
    for dtype in (None, "fp32"):
        assert openvino(failure, network, dtype).isprintable()


def test_nobody_hears_of_it(network: str, tmp_path: Path) -> None:
    """OpenVINO's telemetry writes to the home directory before it sends anything."""
    lines = f"""if True:
        import sys, numpy as np
        from animetools.netfiles.onnx_openvino import ByOpenVino
        ByOpenVino({network!r}, "fp32", None)(np.zeros((1, 3, 40, 40), np.float32))
        print("openvino" in sys.modules, sys.modules["openvino_telemetry"])
    """
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", lines],
        cwd=ROOT,
        env={"HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True None\n"
    assert not list(home.iterdir())
