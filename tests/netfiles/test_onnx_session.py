"""ONNX files by OpenVINO: the numbers of onnxruntime, and what happens without OpenVINO."""

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest

from animetools.netfiles.onnx_openvino import ByOpenVino
from animetools.netfiles.onnx_session import OnnxError, open_session
from tests.conftest import ROOT
from tests.upscaling.onnxfiles import model, node

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


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_openvino_gives_the_numbers_of_onnxruntime(
    network: str, dtype: Literal["fp32", "bf16"]
) -> None:
    wanted = open_session(network, "cpu", 1, "tag").run(IMAGE)
    found = ByOpenVino(network, dtype, never)(IMAGE)
    assert (found == open_session(network, "cpu", 1, "tag", dtype).run(IMAGE)).all()
    error = abs(found - wanted)
    if dtype == "fp32":
        assert error.max() < 1e-4 * abs(wanted).max()
    else:
        assert 20 * math.log10(np.ptp(wanted) / max(np.sqrt(np.mean(error**2)), 1e-9)) > 42


def test_a_result_does_not_depend_on_the_threads(network: str) -> None:
    compute = ByOpenVino(network, "bf16", never)
    images = [IMAGE[:, :, :, :width].copy() for width in range(10, 40)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(compute, images))
    for image, found in zip(images, together, strict=True):
        assert (compute(image) == found).all()


def test_a_result_stays_when_the_next_is_computed(network: str) -> None:
    compute = ByOpenVino(network, "fp32", never)
    found = compute(IMAGE)
    before = found.copy()
    compute(1 - IMAGE)
    assert (found == before).all()


def test_without_openvino_onnxruntime_computes(
    network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = open_session(network, "cpu", 1, "tag").run(IMAGE)
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert (open_session(network, "cpu", 1, "tag", "bf16").run(IMAGE) == wanted).all()


def test_a_broken_openvino_is_as_none(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def core() -> None:
        raise RuntimeError("no plugin for a CPU")

    monkeypatch.setitem(sys.modules, "openvino", SimpleNamespace(Core=core))
    assert ByOpenVino(network, "bf16", lambda given: given)(IMAGE) is IMAGE


def test_what_openvino_cannot_open_onnxruntime_computes(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(b"no network")
    assert ByOpenVino(str(path), "fp32", lambda given: given)(IMAGE) is IMAGE


def test_what_cannot_be_run_is_told_in_a_line(network: str) -> None:
    for dtype in (None, "fp32"):
        opened = open_session(network, "cpu", 1, "tag", dtype)
        with pytest.raises(OnnxError) as why:
            opened.run(IMAGE[:, :2].copy())
        assert str(why.value).isprintable()


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
