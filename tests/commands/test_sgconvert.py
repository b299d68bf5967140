"""sgconvert, through real shells."""

import hashlib
import json
import os
import pickle
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile
from animetools.networks.generator import Generator
from tests import tiny
from tests.conftest import Shell
from tests.netfiles import files, goldens
from tests.quick import quick


def same(one: NetworkFile, other: NetworkFile) -> bool:
    return all(
        torch.equal(value, other.networks[name].state[key])
        for name, network in one.networks.items()
        for key, value in network.state.items()
    )


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where a server has tmp_path."""

    class Server(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_old_file_becomes_a_new_one_and_nothing_is_overwritten(
    shell: Shell, tmp_path: Path
) -> None:
    (tmp_path / "network-snapshot-007000.pkl").write_bytes(goldens.tf_file("s1_32_labels"))
    done = shell(
        "sgconvert network-snapshot-007000.pkl a/faces.safetensors && "
        "sgconvert -q a/faces.safetensors faces.pkl --json && "
        "sgconvert -q faces.pkl a/faces.safetensors"
    )
    made = {"path": "faces.pkl", "source": "a/faces.safetensors"}
    assert done.stdout == f"a/faces.safetensors\n{json.dumps(made)}\n"
    assert done.stderr.splitlines() == [
        "sgconvert: read 1 = kept 1 + rejected 0 + passed over 0 + failed 0",
        "sgconvert: a/faces.safetensors exists: -f overwrites it",
    ]
    assert done.returncode == 2
    old = checkpoints.read(str(tmp_path / "network-snapshot-007000.pkl"))
    for name in ("a/faces.safetensors", "faces.pkl"):
        new = checkpoints.read(str(tmp_path / name))
        assert same(old, new)
        assert new.facts["kimg"] == 7000
        assert new.generator.config == old.generator.config


def test_a_pipe_in_the_place_of_the_output_stays_one(tmp_path: Path) -> None:
    checkpoints.write(str(tmp_path / "a.pkl"), tiny.snapshot())
    os.mkfifo(tmp_path / "b.pkl")
    done = quick("sgconvert --quiet --force a.pkl b.pkl", tmp_path)
    assert (
        done.stderr == "sgconvert: a.pkl: b.pkl: not a regular file, which is never overwritten\n"
    )
    assert done.returncode == 1
    assert (tmp_path / "b.pkl").is_fifo()


def test_small_keeps_what_samples_and_judges(tmp_path: Path) -> None:
    whole = tiny.snapshot(psi=0.5, transfer="/home/user/first.pkl")
    whole.networks["G"] = whole.generator
    checkpoints.write(str(tmp_path / "run.pkl"), replace(whole, training={"seen": 1000}))
    checkpoints.write(str(tmp_path / "raw.pkl"), replace(whole, networks={"G": whole.generator}))
    for names in ("run.pkl small.pkl", "raw.pkl only.pkl"):
        done = quick(f"sgconvert --small {names}", tmp_path)
        assert done.returncode == 0, done.stderr
    assert list(checkpoints.read(str(tmp_path / "only.pkl")).networks) == ["G"]
    small = checkpoints.read(str(tmp_path / "small.pkl"))
    assert (set(small.networks), small.training) == ({"G_ema", "D"}, None)
    assert small.facts == whole.facts | {"transfer": "first.pkl"}
    for name, network in small.networks.items():
        for key, value in network.state.items():
            assert value.dtype == torch.float16
            torch.testing.assert_close(
                value.float(), whole.networks[name].state[key], rtol=1e-3, atol=1e-6
            )


def test_small_refuses_numbers_that_half_precision_lacks(tmp_path: Path) -> None:
    large = tiny.snapshot()
    large.generator.state["mapping.w_avg"].fill_(1e5)
    checkpoints.write(str(tmp_path / "large.pkl"), large)
    done = quick("sgconvert --small large.pkl small.pkl", tmp_path)
    assert "the tensor mapping.w_avg has numbers that are not finite" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["large.pkl"]


def test_info_tells_what_is_in_each_file(tmp_path: Path) -> None:
    (tmp_path / "ada.pkl").write_bytes(files.ada_file("ada-cond-64-G", "ada-cond-64-D"))
    (tmp_path / "readme.txt").write_text("no network")
    checkpoints.write(str(tmp_path / "ours.safetensors"), tiny.snapshot())
    broken = tiny.snapshot()
    broken.discriminator.state["b4.out.bias"].fill_(float("inf"))
    checkpoints.write(str(tmp_path / "broken.pkl"), broken)
    done = quick(
        "sgconvert --info ada.pkl readme.txt gone.pkl broken.pkl ours.safetensors", tmp_path
    )
    assert done.returncode == 1
    blocks = done.stdout.replace("\n  ", "|").splitlines()
    assert [block.split("|")[0] for block in blocks] == ["ada.pkl", "ours.safetensors"]
    told = dict(line.split(maxsplit=1) for line in blocks[0].split("|")[1:])
    size = (tmp_path / "ada.pkl").stat().st_size
    norm = checkpoints.read(str(tmp_path / "ada.pkl")).generator.state["mapping.w_avg"].norm()
    assert told == {
        "bytes": f"{size:,}",
        "layout": "pytorch",
        "networks": "G_ema G D",
        "height": "64",
        "width": "64",
        "image_channels": "3",
        "generator": "StyleGAN 2, skip",
        "generator_parameters": "279,688",
        "generator_channels": "64 64 64 32 16",
        "z_dim": "64",
        "w_dim": "64",
        "c_dim": "6",
        "w_avg_norm": f"{norm:.4g}",
        "discriminator": "StyleGAN 2, resnet",
        "discriminator_parameters": "334,224",
        "discriminator_channels": "64 64 64 32 16",
    }
    assert done.stderr.splitlines() == [
        "sgconvert: readme.txt: not a network file: neither a pickle, a PyTorch checkpoint nor safetensors",
        "sgconvert: gone.pkl: no such file or directory",
        "sgconvert: broken.pkl: the tensor b4.out.bias has numbers that are not finite (NaN or infinite)",
        "sgconvert: read 5 = kept 2 + rejected 0 + passed over 0 + failed 3",
    ]


def test_info_as_json_is_an_object_per_file(shell: Shell, tmp_path: Path, address: str) -> None:
    checkpoints.write(str(tmp_path / "results/1/network-snapshot-000012.pkl"), tiny.snapshot())
    sha256 = hashlib.sha256(
        (tmp_path / "results/1/network-snapshot-000012.pkl").read_bytes()
    ).hexdigest()
    page = f"{address}/results/1/network-snapshot-000012.pkl"
    done = shell(
        f"export XDG_CACHE_HOME=$PWD/cache; sgconvert -q --info --json latest; "
        f"sgconvert -q --info --json {page} --sha256 {sha256}; "
        f"sgconvert -q --info --json {page} --sha256 {'0' * 64}"
    )
    by_name, by_address = map(json.loads, done.stdout.splitlines())
    assert (by_name.pop("path"), by_address.pop("path")) == ("latest", page)
    assert by_name == by_address
    assert (by_name["kimg"], by_name["generator_channels"]) == (1, [8, 8, 8])
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "another file" in done.stderr


def test_a_hostile_pickle_is_refused_by_name_and_not_run(tmp_path: Path) -> None:
    evil = files.Evil(str(tmp_path / "owned"))
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"G_ema": evil}))
    done = quick("sgconvert -q a.pkl b.pkl", tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "posix.system" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.pkl"]  # no `owned`, no b.pkl


def test_wrong_usage_is_a_sentence_and_writes_nothing(shell: Shell, tmp_path: Path) -> None:
    checkpoints.write(str(tmp_path / "a.pkl"), tiny.snapshot())
    done = shell(
        "sgconvert; sgconvert a.pkl; sgconvert a.pkl b.ckpt; sgconvert --info; "
        "sgconvert --info a.pkl a.pkl --sha256 0; sgconvert --input w a.pkl b.pt; sgconvert -n -q a.pkl b.pt"
    )
    assert done.stderr.splitlines() == [
        "sgconvert: name two files: sgconvert IN OUT",
        "sgconvert: name two files: sgconvert IN OUT",
        "sgconvert: b.ckpt does not end in .pkl, .safetensors, .pt or .onnx",
        "sgconvert: --info needs a file: sgconvert --info FILE ...",
        "sgconvert: --sha256 is for one file, not several",
        "sgconvert: --input w is for .onnx files, not b.pt",
    ]
    assert (done.returncode, done.stdout) == (0, "b.pt\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pkl"]


def test_what_a_layout_cannot_hold_is_told(shell: Shell, tmp_path: Path) -> None:
    checkpoints.write(str(tmp_path / "classes.pkl"), tiny.snapshot(c_dim=3))
    done = shell(
        "sgconvert -q classes.pkl a.pt; "
        "mkdir onnxscript; echo 'raise ImportError' > onnxscript/__init__.py; "
        "PYTHONPATH=. sgconvert classes.pkl c.onnx"
    )
    assert done.stderr.splitlines() == [
        "sgconvert: classes.pkl: a .pt cannot hold labels: write a .pkl or .safetensors",
        "sgconvert: ONNX needs more libraries: pip install 'animetools[onnx]'",
    ]
    assert (done.returncode, done.stdout) == (2, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classes.pkl", "onnxscript"]


@pytest.mark.slow
def test_a_generator_becomes_an_onnx_model_from_w(tmp_path: Path) -> None:
    import onnxruntime

    snapshot = tiny.snapshot()
    checkpoints.write(str(tmp_path / "a.pkl"), snapshot)
    done = quick("sgconvert --input w a.pkl a.onnx", tmp_path)
    assert (done.returncode, done.stdout) == (0, "a.onnx\n")
    assert done.stderr == "sgconvert: read 1 = kept 1 + rejected 0 + passed over 0 + failed 0\n"
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    assert [(value.name, value.shape) for value in session.get_inputs()] == [("w", ["n", 6, 8])]
    w = torch.randn(2, 6, 8)
    (found,) = session.run(None, {"w": w.numpy()})
    generator = snapshot.generator.build()
    assert isinstance(generator, Generator)
    wanted = generator.synthesis(w, "const")
    torch.testing.assert_close(torch.from_numpy(found), wanted, rtol=1e-3, atol=1e-3)
