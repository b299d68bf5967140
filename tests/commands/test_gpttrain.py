"""gpttrain, as it is typed."""

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

import pytest
import torch
from safetensors.torch import load_file, save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.conftest import ROOT, bash
from tests.quick import quick, start
from tests.text.small_models import TEXTS, TOKENIZER, small

SHORT = "c.txt --model base -o m --batch 4 --context 16 -j 1"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Pairs in c.txt, and a model in base/."""
    (tmp_path / "c.txt").write_text("\n".join(TEXTS) + "\n")
    small(dropout=0.1).save_pretrained(tmp_path / "base")
    TOKENIZER.save_pretrained(tmp_path / "base")
    return tmp_path


def train(line: str, cwd: Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    """A run of gpttrain that ends with this status."""
    done = quick(f"gpttrain {line}", cwd)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


def assert_same(one: Path, other: Path) -> None:
    for name in "model.safetensors", "training.safetensors":
        first, second = load_file(one / name), load_file(other / name)
        assert first.keys() == second.keys()
        assert [key for key in first if not torch.equal(first[key], second[key])] == []


def test_a_run_leaves_what_other_programs_read(data: Path) -> None:
    done = train(f"{SHORT} --steps 6 --snap 3 --valid 10% --seed 5", data)
    assert done.stdout == "m/snapshot-000003\nm/snapshot-000006\n"
    corpus, size, *lines = done.stderr.splitlines()
    assert re.fullmatch(
        r"gpttrain: c\.txt: titles with synopses, \d+ tokens to learn from, \d+ held back", corpus
    )
    memory = r"0\.0 million parameters, about [\d.]+ [MG]B of memory \([\d.]+ [MG]B are free\); "
    disk = r"snapshots of [\d.]+ [kM]B, up to 3 of them \([\d.]+ [MG]B are free\)"
    assert re.fullmatch(f"gpttrain: {memory}{disk}", size)
    status = r"gpttrain: step 3  0:00:\d\d  about \d+ seconds left  [\d.]+ s/step  loss [\d.]+  perplexity [\d.]+  held back [\d.]+  perplexity [\d.]+  [\d.]+ bits/character  memory [\d.]+ [MG]B"
    assert re.fullmatch(status, lines[0])
    assert [line[:18] for line in lines[1:3]] == ["gpttrain: sample: "] * 2
    files = sorted(path.name.rstrip("0123456789") for path in (data / "m").iterdir())
    assert files == [
        ".lock", "config.json", "events.out.tfevents.", "generation_config.json", "log.txt",
        "model.safetensors", "run.json", "snapshot-", "snapshot-", "tokenizer.json",
        "tokenizer_config.json",
    ]  # fmt: skip
    told = json.loads((data / "m/run.json").read_text())
    assert (told["seed"], told["steps"], told["lr"], told["valid"]) == (5, 6, 1e-4, 0.1)
    for folder in "m", "m/snapshot-000006":
        model = AutoModelForCausalLM.from_pretrained(data / folder, dtype="auto")
        assert model.dtype == (torch.float16 if folder == "m" else torch.float32)
        assert len(AutoTokenizer.from_pretrained(data / folder)) == len(TOKENIZER)
    assert (data / "m/model.safetensors").stat().st_mode & 0o777 == 0o644
    curves = EventAccumulator(str(data / "m"))
    curves.Reload()
    assert [point.step for point in curves.Scalars("loss/train")] == [3, 6]
    assert [point.step for point in curves.Scalars("loss/valid")] == [3, 6]


def test_killed_at_any_moment_and_resumed_it_is_the_run_that_was_not(data: Path) -> None:
    line = f"{SHORT} --steps 60 --snap 5 --valid 10% --patience 0 --resume"
    train(line.replace("-o m", "-o whole"), data)
    chance = random.Random(7)
    with tempfile.TemporaryDirectory() as there:
        for number in range(5):
            before = sorted((data / "m").glob("snapshot-*"))
            process = start(f"gpttrain {line}", data, there)
            while sorted((data / "m").glob("snapshot-*")) == before and process.is_alive():
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.1) * (number > 0))
            process.kill()
            process.join()
            assert process.exitcode == -signal.SIGKILL
    done = train(line, data)
    assert "continuing from m/snapshot-0000" in done.stderr
    assert_same(data / "whole/snapshot-000060", data / "m/snapshot-000060")
    whole, killed = (load_file(data / name / "model.safetensors") for name in ("whole", "m"))
    assert all(torch.equal(whole[key], killed[key]) for key in whole)
    names = sorted(path.name for path in (data / "m").iterdir())
    assert [name for name in names if name.startswith("snap")] == [
        "snapshot-000055", "snapshot-000060",
    ]  # fmt: skip
    assert not [name for name in names if name.endswith(".part")]
    curve = EventAccumulator(str(data / "m"))
    curve.Reload()
    steps = [point.step for point in curve.Scalars("loss/valid")]
    assert steps == list(range(5, 61, 5))
    again = train(line, data)
    assert again.stdout == "m/snapshot-000060\n"
    assert "has its 60 steps: raise --steps to continue" in again.stderr


def test_sigterm_saves_then_ends(data: Path) -> None:
    with tempfile.TemporaryDirectory() as there:
        process = start(f"gpttrain {SHORT} --steps 1000000 --snap 1000000", data, there)
        while not (data / "m/run.json").exists() and process.is_alive():
            time.sleep(0.01)
        other = train(f"{SHORT} --steps 2", data, status=2)
        time.sleep(0.3)
        process.terminate()
        process.join()
        assert process.exitcode == -signal.SIGTERM
        printed = Path(there, "1").read_text().strip()
    assert other.stderr.endswith("gpttrain: m: another process is training there\n")
    step = int(printed.removeprefix("m/snapshot-"))
    assert 0 < step < 1000000
    done = train(f"{SHORT} --steps {step + 2} --resume", data)
    assert f"continuing from {printed} at step {step}" in done.stderr
    assert f"steps was 1000000, is {step + 2} from here on" in done.stderr


def test_ctrl_c_saves_then_ends(data: Path) -> None:
    line = f"gpttrain {SHORT} --steps 1000000 --snap 1000000"
    with tempfile.TemporaryDirectory() as there:
        process = start(line, data, there)
        said = Path(there, "2")
        while not (said.exists() and "step" in said.read_text()) and process.is_alive():
            time.sleep(0.05)
        assert process.pid
        os.kill(process.pid, signal.SIGINT)
        process.join()
        assert process.exitcode == -signal.SIGINT
        saved = Path(there, "1").read_text().strip()
        assert "saving; press Ctrl-C again to stop at once" in said.read_text()
    assert (data / saved / "training.safetensors").is_file()


def test_from_scratch_with_a_tokenizer_of_its_own(data: Path) -> None:
    line = "c.txt --from-scratch --vocab 300 --steps 2 --batch 2 --context 16 -j 1 -o m"
    done = train(line, data)
    assert "2.7 million parameters" in done.stderr or "2.5 million parameters" in done.stderr
    config = json.loads((data / "m/config.json").read_text())
    assert (config["model_type"], config["n_layer"], config["n_embd"]) == ("gpt2", 4, 224)
    assert config["vocab_size"] <= 300


def test_another_tokenizer_for_a_model(data: Path) -> None:
    (data / "c.txt").write_text("".join(f"Other {n}|Quite different words.\n" for n in range(99)))
    train(f"{SHORT} --vocab 270 --steps 2", data)
    model = AutoModelForCausalLM.from_pretrained(data / "m")
    words = AutoTokenizer.from_pretrained(data / "m")
    assert model.get_input_embeddings().num_embeddings == len(words) == 270
    assert words("Quite different")["input_ids"] != TOKENIZER("Quite different")["input_ids"]
    told = json.loads((data / "m/generation_config.json").read_text())
    assert told["eos_token_id"] == words.eos_token_id


def test_what_a_run_cannot_change_is_refused_by_name(data: Path) -> None:
    train(f"{SHORT} --steps 1", data)
    more = "--steps 2 --batch 4 --context 16 -j 1 --resume"
    for line, named in [
        ("--from-scratch --vocab 300", "to --from-scratch --vocab 300: leave"),
        ("--from-scratch --size small", "to --from-scratch --size small: leave"),
        ("--model default --vocab 300", "to --vocab 300: leave"),
        ("--model m/snapshot-000001", "to --model m/snapshot-000001: leave"),
    ]:
        done = train(f"c.txt -o m {line} {more}", data, status=2)
        assert done.stderr.startswith(
            "gpttrain: the run in m started from --model base and cannot change"
        )
        assert named in done.stderr
    assert "give --resume to continue" in train(f"{SHORT} --resume -f", data, status=2).stderr
    line = "c.txt --from-scratch --vocab 300 --batch 2 --context 16 -j 1 -o n --resume"
    train(f"{line} --steps 1", data)
    assert "m/snapshot-000002" in train(f"c.txt -o m --model ./base {more}", data).stdout
    assert "n/snapshot-000002" in train(f"{line} --size tiny --steps 2", data).stdout
    done = train(f"{line.replace('300', '400')} --model base --steps 3", data, status=2)
    assert "exclude each other" in done.stderr
    done = train(f"{line.replace('300', '400')} --steps 3", data, status=2)
    assert "the run in n started from scratch and cannot change to --vocab 400" in done.stderr


def test_a_vocabulary_that_does_not_suit_is_told(data: Path) -> None:
    (data / "d.txt").write_text(
        "".join(f"彼女は{n}匹の猫になった。|ある日の話。\n" for n in range(400))
    )
    said = "tokenizer suits this text badly: it needs"
    done = train(f"d.txt {SHORT[6:]} -n", data)
    assert said in done.stderr and "--from-scratch --vocab 4096" in done.stderr
    assert said not in train(f"{SHORT} -n", data).stderr
    assert said not in train(f"d.txt {SHORT[6:]} -n --vocab 300", data).stderr


def test_a_table_is_learned_by_its_columns(data: Path) -> None:
    lines = ["name;plot", *(line.replace("|", ";") for line in TEXTS)]
    (data / "t.csv").write_bytes("\r\n".join(lines).encode("utf-16"))
    done = train(f"t.csv {SHORT[6:]} -n --column name,plot", data)
    assert "t.csv: CSV, name|plot, " in done.stderr
    tokens = re.search(r"\d+ tokens to learn from", done.stderr)
    assert tokens and tokens[0] in train(f"{SHORT} -n", data).stderr


def test_it_ends_when_it_gets_no_better_and_keeps_the_best(data: Path) -> None:
    # What is held back is of another kind than what is learnt: no step does it good for long.
    kinds = [f"T|{n} {n} {n}" if n % 20 == 19 else f"Title|words {n}" for n in range(200)]
    (data / "c.txt").write_text("\n".join(kinds))
    line = f"{SHORT} --steps 1000 --snap 5 --patience 2 --lr 0.02 --keep 0 --context 10"
    done = train(line, data)
    assert "no improvement in 2 validations: training ends" in done.stderr
    held = [float(value) for value in re.findall(r"held back ([\d.]+)", done.stderr)]
    best = held.index(min(held))
    assert len(held) == best + 3 < 200
    snapshot = load_file(data / f"m/snapshot-{5 * best + 5:06d}/model.safetensors")
    kept = load_file(data / "m/model.safetensors")
    assert all(torch.equal(kept[name], snapshot[name].half()) for name in kept)
    again = train(f"{line} --resume", data)
    assert (
        "no improvement in 2 validations: training ends; raise --patience to continue"
        in again.stderr
    )
    assert again.stdout == done.stdout.splitlines(True)[-1]


def test_plain_text_teaches_too_and_lines_that_are_none_are_told(data: Path) -> None:
    text = "".join(f"This is line {n} of a long story.\n" for n in range(1000)).encode()
    (data / "c.txt").write_bytes(text + b"\xff\xfe\n<|endoftext|>\nAnother.\n")
    done = train(f"{SHORT} --steps 2 --valid 20%", data)
    assert "c.txt: plain text, " in done.stderr
    assert "c.txt: line 1001 is not UTF-8: left out" in done.stderr


def test_a_dry_run_writes_nothing(data: Path) -> None:
    done = train(f"{SHORT} -n --steps 7", data)
    assert done.stdout == "m/snapshot-000007\n"
    assert "gpttrain: context 16\n" in done.stderr
    assert not (data / "m").exists()


def test_a_folder_with_a_run_is_not_begun_anew_unasked(data: Path) -> None:
    train(f"{SHORT} --steps 4 --snap 2", data)
    before = (data / "m/model.safetensors").read_bytes()
    done = train(f"{SHORT} --steps 2", data, status=2)
    assert done.stderr == (
        "gpttrain: m holds a run: give --resume to continue it or --force to start over\n"
    )
    assert (data / "m/model.safetensors").read_bytes() == before
    train(f"{SHORT} --steps 3 --force", data)
    assert [path.name for path in (data / "m").glob("snap*")] == ["snapshot-000003"]


def test_what_cannot_be_is_said_in_a_sentence(data: Path) -> None:
    (data / "empty.txt").write_bytes(b"\n \n")
    (data / "short.txt").write_bytes(b"a\n")
    (data / "words.txt").write_bytes(b"One two three four\n")
    (data / "rubbish.txt").write_bytes(random.Random(1).randbytes(1 << 16))
    (data / "folder").mkdir()
    for line, said in [
        ("none.txt", "none.txt: No such file or directory"),
        ("folder", "folder: Is a directory"),
        ("empty.txt --model base", "empty.txt has no text to learn from"),
        ("short.txt --model base", "short.txt holds 4 tokens, fewer than --context: learn"),
        ("words.txt --model base", "tokens, fewer than --context: try --context "),
        ("rubbish.txt --model base", "rubbish.txt is not a text file"),
        ("c.txt --model base --column text", "c.txt is neither CSV with a header nor JSON lines"),
        ("c.txt --model base --context 65", "--context 65 is more than the model's 64"),
        ("c.txt --model nowhere/at/all", "nowhere/at/all does not exist"),
        ("c.txt --size tiny", "--size is for --from-scratch"),
        ("c.txt --from-scratch --model base", "exclude each other"),
        ("c.txt --model base --valid 60%", "--valid is at most 0.5"),
        ("c.txt --device all", "a run trains on one device"),
        ("", "name one corpus: gpttrain CORPUS"),
    ]:
        done = train(line, data, status=2)
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (data / "model").exists()


def test_lost_numbers_and_broken_states_are_told(data: Path) -> None:
    train(f"{SHORT} --steps 2", data)
    done = train(f"{SHORT} --steps 40 --resume --lr 1e30", data, status=2)
    assert (
        "training diverged to NaN; the last good snapshot is m/snapshot-000002: try" in done.stderr
    )
    path = data / "m/snapshot-000002/training.safetensors"
    whole = path.read_bytes()
    save_file({"x": torch.zeros(1)}, path, {"run": '{"steps": "many"}'})
    assert "its settings are broken" in train(f"{SHORT} --resume", data, status=2).stderr
    path.write_bytes(whole[:1000])
    assert (
        "it holds no state of a run to resume" in train(f"{SHORT} --resume", data, status=2).stderr
    )


def test_a_full_disk_ends_it_with_what_was_whole(data: Path) -> None:
    train(f"{SHORT} --steps 2", data)
    whole = (data / "m/snapshot-000002/model.safetensors").stat().st_size
    limit = whole // 2048  # kB: half a model
    script = f"trap '' XFSZ; ulimit -f {limit}; gpttrain {SHORT} --steps 9 --resume"
    done = bash(script, data)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in (data / "m").glob("snap*")] == ["snapshot-000002"]
    train(f"{SHORT} --steps 9 --resume", data)


def test_a_terminal_has_a_live_view_and_the_forecast_holds(data: Path) -> None:
    line = "c.txt --from-scratch --steps 3 --batch 24 --context 256 -j 1 -o m"
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [ROOT / "bin/gpttrain", *line.split()], cwd=data, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown, peak = b"", ""
    with suppress(OSError):  # the end
        while part := os.read(ours, 1 << 16):
            shown += part
            with suppress(OSError, IndexError):
                peak = Path(f"/proc/{process.pid}/status").read_text().split("VmHWM:")[1].split()[0]
    os.close(ours)
    assert process.wait() == 0
    forecast = re.search(r"about ([\d.]+) GB of memory", shown.decode())
    assert forecast
    assert float(forecast[1]) * 1e9 == pytest.approx(int(peak) * 1024, rel=0.25)
    assert "\u2501" * 10 in shown.decode()  # the bar
    assert b"step 3 of 3" in shown
    assert b"m/snapshot-000003" in shown
    assert shown.rfind(b"\x1b[?25h") > shown.rfind(b"\x1b[?25l")  # there is a cursor again
