"""sgtrain, as it is typed."""

import json
import os
import random
import re
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile
from tests import tiny
from tests.conftest import ROOT
from tests.dataset.sets import encoded, folder, picture, zipped
from tests.quick import quick, start
from tests.tagging.embeddings import embedding_file

TINY = "--preset tiny --channel-base 64 --channel-max 8 --batch 4 -j 1"
SHORT = f"{TINY} --kimg 0.008"
FIRST = "results/00000-d-tiny/snapshot-000000.008.pkl"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Ten images of 16 x 16, in d.zip."""
    zipped(tmp_path / "d", [picture(seed) for seed in range(10)])
    return tmp_path


def train(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A run of sgtrain that ends well."""
    done = quick(f"sgtrain {line}", cwd)
    assert done.returncode == 0, done.stderr
    return done


def snapshot(path: Path) -> NetworkFile:
    return checkpoints.read(str(path))


def tensors(value: Any, name: str = "") -> dict[str, Tensor]:
    """Every tensor and number somewhere in a snapshot, by where it is."""
    if isinstance(value, NetworkFile):
        networks = {key: network.state for key, network in value.networks.items()}
        return tensors({"networks": networks, "training": value.training})
    if isinstance(value, dict):
        parts = [tensors(part, f"{name}.{key}") for key, part in value.items()]
        return {key: tensor for part in parts for key, tensor in part.items()}
    return {name: torch.as_tensor(value)}


def assert_same(one: Path, other: Path) -> None:
    first, second = (tensors(snapshot(path)) for path in (one, other))
    assert len(first) > 100
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_a_run_leaves_what_other_commands_read(data: Path) -> None:
    done = train(f"d.zip {SHORT} --snap 0.004 --seed 5", data)
    assert done.stdout == f"{FIRST.replace('8.pkl', '4.pkl')}\n{FIRST}\n"
    status = r"kimg 0\.008  0:\d\d:\d\d  about \d+ \w+ left  [\d.]+ s/kimg  G [\d.]+  D [\d.]+  signs [-+][\d.]+ [-+][\d.]+  p 0\.000  memory [\d.]+ [MG]B"
    assert re.search(status, done.stderr)
    memory, hours, *_ = done.stderr.splitlines()
    assert re.search(r"about .* of memory .*; snapshots of .* are free", memory)
    assert re.fullmatch(r"sgtrain: 0\.008 kimg take about \d+ \w+: [\d.]+ s/kimg", hours)
    files = sorted(path.name.rstrip("0123456789") for path in (data / FIRST).parent.iterdir())
    assert files == [
        ".lock", "events.out.tfevents.", "fakes000000.000.jpg", "fakes000000.004.jpg",
        "fakes000000.008.jpg", "log.txt", "reals.jpg", "run.json", "snapshot-000000.004.pkl",
        "snapshot-000000.008.pkl",
    ]  # fmt: skip
    told = json.loads((data / FIRST).with_name("run.json").read_text())
    assert (told["seed"], told["gamma"], told["channel_max"]) == (5, 1.0, 8)
    assert quick(f"sggen --network {FIRST} --seeds 0-1 -j 1", data).returncode == 0
    done = quick(f"dranker {FIRST} images -j 1", data)
    assert len(done.stdout.splitlines()) == 2


def test_killed_at_any_moment_and_resumed_it_is_the_run_that_was_not(data: Path) -> None:
    line = f"d.zip {TINY} --kimg 0.12 --snap 0.02 --aug ada --p 0.3 --mirror --resume latest"
    train(f"{line} -o whole", data)
    chance = random.Random(7)

    def written() -> list[int]:
        return [path.stat().st_mtime_ns for path in data.glob("killed/*/*.pkl")]

    with tempfile.TemporaryDirectory() as there:
        for number in range(6):
            before = written()
            process = start(f"sgtrain {line} -o killed", data, there)
            if number % 2:
                time.sleep(chance.uniform(0, 1.5))
            else:
                while written() == before and process.is_alive():
                    time.sleep(0.001)
                time.sleep(chance.uniform(0, 0.1))
            process.kill()
            process.join()
    assert process.exitcode == -signal.SIGKILL
    train(f"{line} -o killed", data)
    (*_, one) = sorted(data.glob("whole/*/*.pkl"))
    (*_, other) = sorted(data.glob("killed/*/*.pkl"))
    assert_same(one, other)
    assert not list(other.parent.glob(".*.part"))
    curve = EventAccumulator(str(other.parent))
    curve.Reload()
    steps = [point.step for point in curve.Scalars("loss/g")]
    assert steps == sorted(set(steps))
    assert set(range(20, 121, 20)) <= set(steps)  # each snapshot's


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGINT, "saving; press Ctrl-C again to stop at once"),
        (signal.SIGTERM, "saving; a second SIGTERM stops at once"),
    ],
)
def test_a_signal_saves_once_and_ends_it(data: Path, number: signal.Signals, said: str) -> None:
    with tempfile.TemporaryDirectory() as there:
        process = start(f"sgtrain d.zip {TINY} --kimg 1000", data, there)
        while not list(data.glob("results/*/fakes*")) and process.is_alive():
            time.sleep(0.01)
        time.sleep(0.5)
        assert process.pid
        os.kill(process.pid, number)
        process.join()
        assert process.exitcode == -number
        saved = data / Path(there, "1").read_text().strip()
        assert f"sgtrain: {said}\n" in Path(there, "2").read_text()
    assert list(saved.parent.glob("*.pkl")) == [saved]
    kimg = snapshot(saved).facts["kimg"] + 0.012
    resumed = train(f"d.zip --resume latest --kimg {kimg} -j 1", data)
    whole = train(f"d.zip {TINY} --kimg {kimg} -o whole", data)
    assert_same(data / resumed.stdout.strip(), data / whole.stdout.strip())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once(data: Path, number: signal.Signals) -> None:
    train(f"d.zip {SHORT}", data)
    folder = (data / FIRST).parent
    before = (data / FIRST).read_bytes()
    (sheet := folder / "fakes000000.008.jpg").unlink()
    with tempfile.TemporaryDirectory() as there:
        # One iteration takes seconds.
        process = start("sgtrain d.zip --resume latest --batch 4096 --kimg 9 -j 1", data, there)
        while not sheet.exists() and process.is_alive():
            time.sleep(0.01)
        time.sleep(0.5)
        assert process.pid
        os.kill(process.pid, number)
        while b"saving" not in Path(there, "2").read_bytes() and process.is_alive():
            time.sleep(0.01)
        assert process.is_alive()
        os.kill(process.pid, number)
        process.join()
        assert process.exitcode == -number
        assert Path(there, "1").read_text() == ""
    assert (data / FIRST).read_bytes() == before
    assert not list(folder.glob(".*.part"))


def test_a_signal_before_anything_is_learned_ends_it_at_once(data: Path) -> None:
    with tempfile.TemporaryDirectory() as there:
        process = start("sgtrain d.zip --preset tiny --batch 4096 -j 1", data, there)
        time.sleep(0.8)  # the forecast takes longer
        assert process.pid
        os.kill(process.pid, signal.SIGINT)
        process.join()
        assert process.exitcode == -signal.SIGINT
        assert "saving" not in Path(there, "2").read_text()
    assert not (data / "results").exists()


def test_a_terminal_has_a_live_view(data: Path) -> None:
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [ROOT / "bin/sgtrain", "d.zip", *SHORT.split()], cwd=data, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown, peak = b"", ""
    with suppress(OSError):  # the end
        while part := os.read(ours, 1 << 16):
            shown += part
            # Not what wait4 says: that counts the memory of the test run, which it was forked from.
            with suppress(OSError, IndexError):
                peak = Path(f"/proc/{process.pid}/status").read_text().split("VmHWM:")[1].split()[0]
    os.close(ours)
    assert process.wait() == 0
    forecast = re.search(r"about ([\d.]+) ([MG])B of memory", shown.decode())
    assert forecast
    assert float(forecast[1]) * {"M": 1e6, "G": 1e9}[forecast[2]] == pytest.approx(
        int(peak) * 1024, rel=0.25
    )
    assert "\u2501" * 10 in shown.decode()  # the bar
    assert FIRST.encode() in shown
    assert shown.rfind(b"\x1b[?25h") > shown.rfind(b"\x1b[?25l")  # there is a cursor again


@pytest.mark.parametrize("embedding", ["", "--embedding e.onnx"])
def test_metrics_are_told_at_each_snapshot(data: Path, embedding: str) -> None:
    embedding_file(data / "e.onnx", ["n", 3, "h", "w"])
    metrics = f"--metrics kid,fid {embedding} --metric-images 20"
    done = train(f"d.zip {TINY} --kimg 0.016 --snap 0.008 {metrics}", data)
    lines = (data / FIRST).with_name("metrics.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert [one["kimg"] for one in found] == [0.008, 0.016]
    for one in found:
        assert f"fid {one['fid']:.4g}  kid {one['kid']:.4g}\n" in done.stderr
    # The average generator has hardly moved, and its latents are the same.
    assert found[0]["fid"] == pytest.approx(found[1]["fid"], rel=0.2)
    gone = train(f"d.zip --resume latest --kimg 0.024 -j 1 {metrics}", data)
    assert "kimg was 0.016, is 0.024 from here on" in gone.stderr
    assert len((data / FIRST).with_name("metrics.jsonl").read_text().splitlines()) == 3


def test_two_processes_never_train_in_one_folder(data: Path) -> None:
    train(f"d.zip {SHORT}", data)
    with tempfile.TemporaryDirectory() as there:
        process = start("sgtrain d.zip --resume latest --kimg 1000 -j 1", data, there)
        log = (data / FIRST).with_name("log.txt")
        while b"continuing" not in log.read_bytes() and process.is_alive():
            time.sleep(0.01)
        done = quick(f"sgtrain d.zip --resume {FIRST} --kimg 1 -j 1", data)
        another = train(f"d.zip {SHORT}", data)
        process.kill()
        process.join()
    assert another.stdout.startswith("results/00001-d-tiny/snapshot-")
    assert done.returncode == 2
    assert "results/00000-d-tiny: another process is training there" in done.stderr


def test_settings_go_on_and_changes_are_told(data: Path) -> None:
    train(f"d.zip {SHORT} --gamma 3", data)
    done = train("d.zip --resume latest --kimg 0.02 --g-lr 0.001 --batch 3 --freeze-d 2 -j 1", data)
    assert f"continuing from {FIRST} at 0.008 kimg" in done.stderr
    for change in ("g_lr was 0.008, is 0.001", "batch was 4, is 3", "freeze_d was 0, is 2"):
        assert f"{change} from here on" in done.stderr
        assert change in (data / FIRST).with_name("log.txt").read_text()
    assert "gamma was" not in done.stderr
    last = "results/00000-d-tiny/snapshot-000000.020.pkl"
    assert done.stdout == f"{last}\n"
    config = snapshot(data / last).facts["config"]
    assert (config["gamma"], config["g_lr"], config["batch"]) == (3, "0.001", "3")
    done = train("d.zip --resume latest -j 1", data)
    assert "has its 0.02 kimg" in done.stderr
    assert done.stdout == f"{last}\n"
    done = train(f"d.zip --resume {last} --kimg 0.032 --freeze-d 0 -j 1", data)  # learns again
    assert snapshot(data / done.stdout.strip()).facts["kimg"] == 0.032


def test_an_older_snapshot_goes_on_in_a_folder_of_its_own(data: Path) -> None:
    train(f"d.zip {SHORT}", data)
    newer = (data / FIRST).with_name("snapshot-000009.000.pkl")
    newer.write_bytes((data / FIRST).read_bytes())
    assert train(f"d.zip --resume {FIRST} -j 1", data).stdout == f"{FIRST}\n"  # has its kimg
    assert len(list(data.glob("results/*"))) == 1
    done = train(f"d.zip --resume {FIRST} --kimg 0.012 -j 1", data)
    assert done.stdout == "results/00001-d-tiny/snapshot-000000.012.pkl\n"
    os.chdir(data)
    done = train(
        "d.zip --resume ./results/00000-d-tiny/snapshot-000009.000.pkl --kimg 0.012 -j 1", data
    )
    assert done.stdout == "./results/00000-d-tiny/snapshot-000000.012.pkl\n"


def test_latest_begins_a_run_where_there_is_none_on_this_dataset(data: Path) -> None:
    train(f"d.zip {SHORT}", data)
    zipped(data / "e", [picture(seed) for seed in range(20, 23)])
    done = train(f"e.zip {SHORT} --resume latest", data)
    assert "results holds no run on e.zip: starting a new one" in done.stderr
    assert done.stdout == "results/00001-e-tiny/snapshot-000000.008.pkl\n"


def test_a_moved_dataset_goes_on_to_the_bit(data: Path) -> None:
    train(f"d.zip {TINY} --kimg 0.024 -o whole", data)
    train(f"d.zip {SHORT}", data)
    (data / "elsewhere").mkdir()
    moved = (data / "d.zip").rename(data / "elsewhere/faces.zip")
    os.utime(moved, (0, 0))
    done = train("elsewhere/faces.zip --resume latest --kimg 0.024 -j 1", data)
    note = f"sgtrain: the dataset was {data}/d.zip, is {moved} from here on\n"
    assert note in done.stderr
    (one,) = data.glob("whole/*/*.pkl")
    assert_same(one, data / done.stdout.strip())


def test_a_dataset_that_has_grown_is_asked_about(data: Path) -> None:
    train(f"d.zip {SHORT}", data)
    zipped(data / "d", [picture(seed) for seed in range(11)])
    # As the README has it: the loop ends.
    loop = "until sgtrain --resume latest --kimg 0.016 -j 1 d.zip; do [ $? = 2 ] && break; done"
    path = f"{ROOT / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", loop], cwd=data, env=os.environ | {"PATH": path}, capture_output=True
    )
    assert done.stderr.decode().splitlines() == [
        "sgtrain: results/00000-d-tiny was trained on 10 images, d.zip holds 11: pass --resume"
        f" {FIRST} to continue it, or --resume none to start a new run"
    ]
    gone = train(f"d.zip --resume {FIRST} --kimg 0.016 -j 1", data)
    assert "images was 10, is 11 from here on" in gone.stderr
    assert gone.stdout == "results/00000-d-tiny/snapshot-000000.016.pkl\n"
    again = train("d.zip --resume latest --kimg 0.02 -j 1", data)
    assert "continuing from results/00000-d-tiny/snapshot-000000.016.pkl" in again.stderr
    new = train(f"d.zip {SHORT} --resume none", data)
    assert new.stdout == "results/00001-d-tiny/snapshot-000000.008.pkl\n"


@pytest.mark.parametrize("cut", [True, False])
def test_a_damaged_snapshot_names_the_last_whole_one(data: Path, cut: bool) -> None:
    *_, before, last = train(f"d.zip {TINY} --kimg 0.012 --snap 0.004", data).stdout.split()
    whole = (data / last).read_bytes()
    place = len(whole) // 2
    changed = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
    (data / last).write_bytes(whole[:-1] if cut else changed)
    done = quick("sgtrain d.zip --resume latest --kimg 0.016 -j 1", data)
    reason = "a truncated zip file" if cut else "damaged: a checksum does not match"
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"sgtrain: {last}: ")
    assert f"{reason}; the last whole one is {before}: pass --resume {before}\n" in done.stderr
    assert "Traceback" not in done.stderr
    gone = train(f"d.zip --resume {before} --kimg 0.016 -j 1", data)
    assert gone.stdout == "results/00001-d-tiny/snapshot-000000.016.pkl\n"
    assert (data / last).exists()  # nothing is written over it


@pytest.mark.parametrize("size", [(32, 32), (16, 32)])
def test_weights_go_over_to_another_size(data: Path, size: tuple[int, int]) -> None:
    checkpoints.write(str(data / "old.pkl"), source := tiny.snapshot())
    height, width = size
    folder(data / "e", [picture(seed, width, height) for seed in range(4)])
    done = train(
        "e --preset tiny --batch 4 --kimg 0.004 --g-lr 0 --d-lr 0 --transfer old.pkl -j 1", data
    )
    assert "the networks are those of old.pkl, not of tiny" in done.stderr
    told = re.search("layers that start from random weights: ([^;\n]*)(.*)\n", done.stderr)
    assert told
    assert told[2] == ("; what the higher resolutions add fades in" if size == (32, 32) else "")
    fresh = tuple(told[1].split(", "))
    made = snapshot(data / "results/00000-e-tiny/snapshot-000000.004.pkl")
    for name, old in (("G", source.generator), ("D", source.discriminator)):
        new = made.networks[name].state
        equal = {key for key in old.state if key in new and torch.equal(new[key], old.state[key])}
        equal |= {"mapping.w_avg"} & new.keys()  # it follows the latents
        assert equal == {key for key in new if not f"{name}.{key}".startswith(fresh)}
        assert len(equal) > 15
    if size == (32, 32):
        assert told[1] == "G.synthesis.b32, D.b32.conv0, D.b32.conv1, D.b32.skip, D.b32.fromrgb"


def test_a_dry_run_writes_nothing(data: Path) -> None:
    before = sorted(data.rglob("*"))
    done = train("d.zip -n --preset s2 --gamma 4", data)
    assert done.stdout == "results/00000-d-s2/snapshot-025000.000.pkl\n"
    assert "sgtrain: gamma 4.0\n" in done.stderr
    assert sorted(data.rglob("*")) == before


def test_a_batch_that_does_not_divide_is_compared_in_smaller_groups(data: Path) -> None:
    done = train(f"d.zip {TINY} --batch 12 --accumulate 2 --kimg 0.012", data)
    assert "the discriminator compares 3 images at a time" in done.stderr
    assert train(f"d.zip {TINY} --batch 1 --kimg 0.002", data).returncode == 0


def test_a_damaged_image_is_left_out_once(tmp_path: Path) -> None:
    folder(tmp_path / "d", [picture(seed) for seed in range(6)])
    whole = encoded(picture(9))
    (tmp_path / "d/00001/img00000002.png").write_bytes(whole[: len(whole) // 2])
    done = train(f"d {TINY} --kimg 0.04", tmp_path)
    assert done.stderr.count("img00000002.png") == 1
    assert "left out" in done.stderr


def test_what_is_not_used_is_told(tmp_path: Path) -> None:
    zipped(tmp_path / "d", [picture(seed) for seed in range(3)], [0, 1, 1])
    done = train("-n d.zip --preset tiny", tmp_path)
    note = (
        "d.zip has labels for 2 classes in dataset.json, which sgtrain does not learn: --cond does"
    )
    assert done.stderr.count(f"sgtrain: {note}\n") == 1
    assert (
        "which sgtrain does not learn"
        not in train("-n d.zip --preset tiny --cond", tmp_path).stderr
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("empty", "empty: holds no images"),
        ("nothing", "nothing: No such file or directory"),
        ("mixed", "is 16x8 in color"),
        ("grey", "in grey"),
        ("odd", "cannot be doubled"),
        ("torn", "torn: dataset.json: line 1, column 12: Expecting value"),
        ("d.zip e.zip", "name one dataset"),
        ("d.zip --batch 6 --accumulate 4", "--batch 6 cannot be split into 4 equal parts"),
        ("d.zip --device cuda", "CUDA"),
        ("d.zip --embedding e.onnx", "--embedding is for --metrics: leave it out"),
        ("d.zip --metrics is --embedding d.zip", "--metrics is fid, kid or fid,kid, not 'is'"),
        ("d.zip --metrics fid --embedding e.onnx", "e.onnx does not exist; --embedding takes an"),
        ("d.zip --metrics fid --embedding d.zip", "d.zip is not a usable ONNX file"),
        ("d.zip --metric-images 9", "--metric-images is for --metrics: leave it out"),
        ("d.zip --preset tiny --freeze-d 100", "--freeze-d 100: the discriminator has 7 layers"),
        ("d.zip --resume run.pkl --kimg 1 --freeze-d 8", "has 7 layers that can be frozen"),
        ("d.zip --aug none --target 0.6", "--target is for --aug ada, not none: leave it out"),
        ("d.zip --aug diffaug --p 0.5", "--p is for --aug fixed or ada, not diffaug"),
        ("d.zip --aug none --augpipe bg", "--augpipe is for --aug ada or fixed, not none"),
        ("d.zip --augpipe bgcf", "--augpipe bgcf is for images of at least 22 px"),
        ("d.zip --aug fixed", "--aug fixed needs a probability: --p"),
        (
            "d.zip --transfer run.pkl --map-layers 8",
            "--map-layers 8: the networks are those of run",
        ),
        ("d.zip --transfer run.pkl --channel-base 32", "--channel-base 32: the networks are those"),
        ("d.zip --preset big", "--preset is one of s2, "),
        ("d.zip --g-lr fast", "--g-lr: 'fast' is neither a rate nor rates"),
        ("d.zip --resume latest --transfer old.pkl", "exclude each other"),
        ("d.zip --resume old.pkl", "old.pkl: it holds no state of a run to resume"),
        ("d.zip --resume gone.pkl", "gone.pkl does not exist"),
        ("d.zip --transfer d.zip", "d.zip: "),
        ("large --channel-base 16", "--channel-base 16 leaves"),
        (
            "large --resume run.pkl",
            "run.pkl was trained on images of 16 pixels high, the dataset has 32",
        ),
        ("d.zip --resume run.pkl --channel-max 4", "--channel-max is 8 in run.pkl, not 4"),
        (
            "d.zip --resume broken.pkl",
            "broken.pkl: its settings are broken: --batch: '1000000000' is",
        ),
        ("d.zip --resume lost.pkl", "lost.pkl: the tensor"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    inputs: Path, tmp_path: Path, line: str, reason: str
) -> None:
    done = quick(f"sgtrain {line} -j 1 -o {tmp_path}/results", inputs)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert reason in done.stderr
    assert "unexpected error" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "results").exists()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Datasets and snapshots that something is wrong with, and some that are right."""
    path = tmp_path_factory.mktemp("inputs")
    zipped(path / "d", [picture(seed) for seed in range(4)])
    (path / "empty").mkdir()
    folder(path / "mixed", [picture(0), picture(1, 16, 8)])
    folder(path / "grey", [picture(0), picture(1, channels=1)])
    folder(path / "odd", [picture(0, 7, 9)])
    folder(path / "large", [picture(0, 32, 32)])
    folder(path / "torn", [picture(0)])
    (path / "torn/dataset.json").write_text('{"labels": ')
    checkpoints.write(str(path / "old.pkl"), tiny.snapshot())
    train(f"d.zip {SHORT}", path)
    made = snapshot(path / FIRST)
    checkpoints.write(str(path / "run.pkl"), made)
    made.facts["config"]["batch"] = 10**9
    checkpoints.write(str(path / "broken.pkl"), made)
    made.facts["config"]["batch"] = "4"
    made.networks["G"].state["mapping.fc0.weight"][0] = np.nan
    checkpoints.write(str(path / "lost.pkl"), made)
    return path


@pytest.mark.parametrize("name", ["log.txt", "metrics.jsonl"])
def test_a_line_that_finds_no_room_ends_it(data: Path, name: str) -> None:
    embedding_file(data / "e.onnx", ["n", 3, "h", "w"])
    train(f"d.zip {SHORT}", data)
    log = (data / FIRST).with_name(name)
    log.unlink(missing_ok=True)
    log.symlink_to("/dev/full")
    metrics = "--metrics kid --embedding e.onnx --metric-images 4"
    done = quick(f"sgtrain d.zip --resume latest --kimg 0.012 -j 1 {metrics}", data)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "sgtrain: results: No space left on device"


def test_full_disk_ends_it_with_the_last_snapshot_whole(data: Path) -> None:
    train(f"d.zip {SHORT}", data)
    size = (data / FIRST).stat().st_size
    (data / "disk").mkdir()
    room = size * 7 // 4  # for one, not for two
    mount = ["mount", "-t", "tmpfs", "-o", f"size={room}", "none", "disk"]
    if subprocess.run(mount, cwd=data, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        done = quick(f"sgtrain d.zip {SHORT} --snap 0.004 -o disk", data)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].endswith("No space left on device")
        path = data / "disk/00000-d-tiny/snapshot-000000.004.pkl"
        assert done.stdout == "disk/00000-d-tiny/snapshot-000000.004.pkl\n"
        assert snapshot(path).facts["kimg"] == 0.004
        assert not list(path.parent.glob("*.part"))
        (data / "disk/filler").write_bytes(bytes(room - size - (60 << 10)))
        done = quick(f"sgtrain d.zip {SHORT} -o disk", data)
        assert (done.returncode, done.stdout) == (2, "")
        assert "no room for a snapshot: make room" in done.stderr
    finally:
        subprocess.run(["umount", "disk"], cwd=data, check=True)
