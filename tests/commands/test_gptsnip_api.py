"""gptsnip with a service, from outside."""

import json
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import ROOT, Shell
from tests.text.servers import Asked, Served, serving

KEY = "sk-secret-of-the-tests"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own key is given away by a test."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def line(served: Served, more: str = "") -> str:
    """A command line that asks a server."""
    return f"gptsnip --api {served.url} --api-model m {more}"


def seeded(asked: Asked) -> None:
    """An answer that is another every time."""
    asked.say(
        f"{asked.body['seed']} at {asked.number}", {"prompt_tokens": 1, "completion_tokens": 9}
    )


def texts(folder: Path) -> dict[str, str]:
    """What is in a folder, by name."""
    return {path.name: path.read_text() for path in folder.glob("*.txt")}


def test_snippets_of_a_service_are_written(shell: Shell, tmp_path: Path) -> None:
    with serving(seeded) as served:
        done = shell(line(served, "--seeds 0-2 --prompt 'In the first episode' --json"))
    assert done.returncode == 0, done.stderr
    records = [json.loads(each) for each in done.stdout.splitlines()]
    assert [each["path"] for each in records] == [f"snippets/snippet-{n}.txt" for n in range(3)]
    assert records[1] == {
        **{"path": "snippets/snippet-1.txt", "seed": 1, "prompt": "In the first episode"},
        **{"api": served.url, "model": "m", "tries": 1},
    }
    assert texts(tmp_path / "snippets").keys() == {f"snippet-{n}.txt" for n in range(3)}
    assert {asked.prompt for asked in served.asked} == {"In the first episode"}


def test_short_texts_are_asked_for_again(shell: Shell, tmp_path: Path) -> None:
    with serving(lambda asked: asked.say("x" * (100 + 300 * asked.number))) as served:
        done = shell(line(served, "-s 5 --min-chars 550 -j 1 --json"))
    assert json.loads(done.stdout)["tries"] == 3
    assert len({asked.body["seed"] for asked in served.asked}) == 3


def test_any_other_parameter_is_sent_and_makes_another_folder(shell: Shell) -> None:
    with serving(seeded) as served:
        more = "--set stream=true --set reasoning_effort=low --set 'top_k=5' --set user=me --system Short. --stop END"
        call = line(served, f"-s 0 {more}").replace("/completions", "/chat/completions")
        done, again = shell(call), shell(call)
        other = shell(call.replace("top_k=5", "top_k=6"))
    assert (done.returncode, again.returncode, other.returncode) == (0, 0, 2), done.stderr
    (asked,) = served.asked
    wanted = {"reasoning_effort": "low", "top_k": 5, "user": "me", "stop": ["END"]}
    assert wanted.items() <= asked.body.items()
    assert "snippet-0.txt was made with --set" in other.stderr


def test_so_many_are_asked_for_at_once_as_jobs_say(shell: Shell) -> None:
    together = threading.Barrier(6, timeout=60)

    def behave(asked: Asked) -> None:
        together.wait()
        asked.say("x")

    with serving(behave) as served:
        done = shell(line(served, "--seeds 0-5 -j 6"))
    assert done.returncode == 0, done.stderr


def test_requests_used_up_end_with_2_and_the_next_run_goes_on(shell: Shell, tmp_path: Path) -> None:
    with serving(seeded) as served:
        call = line(served, "--seeds 0-29 --max-requests 12")
        first = shell(call)
        paid = texts(tmp_path / "snippets")
        assert first.returncode == 2
        assert first.stderr.splitlines()[-1] == (
            "gptsnip: --max-requests 12 is used up: repeat the command to continue"
        )
        assert len(first.stdout.splitlines()) == len(paid) == len(served.asked) == 12
        second, third = shell(call), shell(call)
    assert (second.returncode, third.returncode) == (2, 0)
    assert len(third.stdout.splitlines()) == 30
    assert Counter(asked.body["seed"] for asked in served.asked) == dict.fromkeys(range(30), 1)
    assert texts(tmp_path / "snippets").items() >= paid.items()


def test_cost_used_up_ends_with_2(shell: Shell, tmp_path: Path) -> None:
    prices = "--price-in 1 --price-out 2 --max-tokens 50 --max-cost 0.0005"
    with serving(seeded) as served:
        done = shell(line(served, f"--seeds 0-99 {prices}"))
    assert done.returncode == 2
    assert "--max-cost 0.0005 is used up: 0.000" in done.stderr
    written = len(texts(tmp_path / "snippets"))
    assert 0 < written == len(served.asked) < 27  # of 19 millionths each


@pytest.mark.parametrize("ordered", ["", "--unordered"])
def test_killed_run_goes_on_and_pays_for_nothing_twice(
    ordered: str, shell: Shell, tmp_path: Path
) -> None:
    """Seed 0 is the last that is answered, so in order nothing is printed before."""
    release = threading.Event()

    def behave(asked: Asked) -> None:
        if asked.body["seed"] == 0:
            release.wait(60)
        seeded(asked)

    with serving(behave) as served:
        call = line(served, f"--seeds 0-39 -j 4 {ordered}").split()
        command = [str(ROOT / "bin" / call[0]), *call[1:]]
        run = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
        while len(texts(tmp_path / "snippets")) < 12:
            time.sleep(0.02)
            assert run.poll() is None
        run.kill()
        run.wait()
        paid = texts(tmp_path / "snippets")
        before = {asked.body["seed"] for asked in served.asked}
        count = len(served.asked)
        release.set()
        done = shell(" ".join(call))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 40
    after = texts(tmp_path / "snippets")
    assert after.items() >= paid.items()
    again = before & {asked.body["seed"] for asked in served.asked[count:]}
    assert not {f"snippet-{seed}.txt" for seed in again} & paid.keys()
    assert len(again) <= 4
    assert not list((tmp_path / "snippets").glob(".*.part"))


def test_run_that_an_older_version_left_killed_goes_on(shell: Shell, tmp_path: Path) -> None:
    release = threading.Event()

    def behave(asked: Asked) -> None:
        if asked.body["seed"] == 0:
            release.wait(60)
        seeded(asked)

    with serving(behave) as served:
        call = line(served, "--seeds 0-9 -j 4")
        run = subprocess.Popen([ROOT / "bin/gptsnip", *call.split()[1:]], cwd=tmp_path)
        while len(texts(tmp_path / "snippets")) < 6:
            time.sleep(0.02)
        run.kill()
        run.wait()
        paid = texts(tmp_path / "snippets")
        with sqlite3.connect(tmp_path / "snippets/.animetools.sqlite") as base:
            (words,) = base.execute("SELECT words FROM settings").fetchone()
            fewer = {name: value for name, value in json.loads(words).items() if name != "set"}
            base.execute("UPDATE settings SET words = ?", [json.dumps(fewer, sort_keys=True)])
        release.set()
        done = shell(call)
    assert (done.returncode, done.stdout.count("\n")) == (0, 10), done.stderr
    assert texts(tmp_path / "snippets").items() >= paid.items()


def test_file_of_other_settings_is_not_taken_for_that_of_a_killed_run(
    shell: Shell, tmp_path: Path
) -> None:
    hold = threading.Event()

    def behave(asked: Asked) -> None:
        if asked.number == 1:
            hold.wait(60)
        asked.say(f"at {asked.body['temperature']}")

    with serving(behave) as served:
        assert shell(line(served, "-s 0 --temperature 0.5")).returncode == 0
        call = line(served, "-s 0 --temperature 0.9 -f").split()
        run = subprocess.Popen([str(ROOT / "bin" / call[0]), *call[1:]], cwd=tmp_path)
        while len(served.asked) < 2:
            time.sleep(0.02)
        run.kill()
        run.wait()
        hold.set()
        assert texts(tmp_path / "snippets") == {"snippet-0.txt": "at 0.5\n"}
        done = shell(line(served, "-s 0 --temperature 0.9"))
    assert done.returncode == 0, done.stderr
    assert texts(tmp_path / "snippets") == {"snippet-0.txt": "at 0.9\n"}


def test_file_of_another_is_neither_taken_nor_overwritten(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "snippets").mkdir()
    (tmp_path / "snippets" / "snippet-1.txt").write_text("mine\n")
    with serving(seeded) as served:
        call = line(served, "--seeds 0-2")
        for _ in range(2):
            done = shell(call)
            assert done.returncode == 1
            assert "exists and was not written from this input" in done.stderr
            assert (tmp_path / "snippets" / "snippet-1.txt").read_text() == "mine\n"


def test_interrupted_run_ends_at_once_while_it_waits(tmp_path: Path) -> None:
    def busy(asked: Asked) -> None:
        asked.send(429, b"{}", {"Retry-After": "600"})

    with serving(busy) as served:
        call = line(served, "--seeds 0-9").split()
        run = subprocess.Popen([ROOT / "bin" / call[0], *call[1:]], cwd=tmp_path)
        while not served.asked:
            time.sleep(0.02)
        time.sleep(0.2)
        began = time.monotonic()
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == -signal.SIGINT
        assert time.monotonic() - began < 5


def test_hostile_answers_lose_nothing_and_write_nothing_twice(shell: Shell, tmp_path: Path) -> None:
    """Every second answer is wrong, each in another way."""
    wrongs: list[Callable[[Asked], None]] = [
        lambda asked: asked.send(500, b"oops"),
        lambda asked: asked.send(200, b'{"choices": [{"te'),
        lambda asked: asked.send(200, b'{"choices": [{"te', {"Content-Length": "999"}),
        lambda asked: asked.send(429, b"{}", {"Retry-After": "0"}),
        lambda asked: asked.send(200, b"x" * (1 << 22)),
        lambda asked: asked.handler.connection.close(),
    ]

    def behave(asked: Asked) -> None:
        if asked.number % 2:
            asked.handler.close_connection = True
            wrongs[asked.number // 2 % len(wrongs)](asked)
        else:
            asked.say(f"{asked.body['seed']}\0 tells \ud83d its\x1b[2J story")

    with serving(behave) as served:
        done = shell(line(served, "--seeds 0-11 -j 12"))
    assert done.returncode == 0, done.stderr
    assert texts(tmp_path / "snippets") == {
        f"snippet-{n}.txt": f"{n} tells ? its\x1b[2J story\n" for n in range(12)
    }
    assert len(done.stderr.splitlines()) == 2  # that it asks again, and the account


def test_key_goes_to_the_service_alone(shell: Shell, tmp_path: Path) -> None:
    def echo(asked: Asked) -> None:
        asked.send(401, json.dumps({"error": {"message": f"Wrong: {KEY}"}}).encode())

    with serving(echo) as served:
        done = shell(f"OPENAI_API_KEY=' {KEY} ' {line(served, '--seeds 0-9 -v --debug')}")
    assert served.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "gptsnip: 127.0.0.1 refused the key in OPENAI_API_KEY: Wrong: ***"
    )
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in held + (done.stdout + done.stderr).encode()


def test_missing_key_is_one_sentence(shell: Shell) -> None:
    with serving(lambda asked: asked.send(401, b"")) as served:
        done = shell(line(served, "--seeds 0-9 -q"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "gptsnip: 127.0.0.1 requires a key: put it into OPENAI_API_KEY\n"


ASKED = "--api http://localhost/v1/completions --api-model m"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            "--api http://localhost/v1 --api-model m",
            "--api: the address must end in /v1/completions or",
        ),
        ("--api http://localhost/v1/completions", "--api and --api-model need each other"),
        ("--api-model m", "--api and --api-model need each other"),
        ("--max-requests 5", "--max-requests and --max-cost need --api"),
        (
            "--api http://localhost/v1/completions --api-model m --max-cost 1",
            "--max-cost needs prices: --price-in and --price-out",
        ),
        ("--system x", "only for --api: --system"),
        ("--stop x --set a=1 --timeout 3", "only for --api: --stop, --set, --timeout"),
        (f"{ASKED} --top-k 3 --dtype int8", "with --api leave out --dtype, --top-k"),
        (f"{ASKED} --system x", "--system needs a chat"),
        (f"{ASKED} --price-in 1", "--price-in and --price-out need --max-cost"),
        (f"{ASKED} --set temperature=1", "--set temperature: use --temperature instead"),
        (f"{ASKED} --set =1", "--set takes NAME=VALUE, not '=1'"),
        (f"{ASKED} --set a=1 --set a=2", "--set a is given twice"),
    ],
)
def test_wrong_options_are_one_sentence(options: str, said: str, shell: Shell) -> None:
    done = shell(f"gptsnip --seeds 0 {options}")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and done.stderr.count("\n") == 1


NEEDED = (
    "accelerate",
    "fastapi",
    "openai",
    "pydantic",
    "uvicorn",
)  # pip install transformers[serving]


@pytest.fixture
def transformers_serve(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Transformers' own server with a tiny model: its address, and the model's name."""
    if not all(map(find_spec, NEEDED)):
        pytest.skip("transformers serve is not installed")
    from tests.text.small_models import TOKENIZER, small

    model = small()
    model.generation_config.do_sample = True
    model.save_pretrained(tmp_path / "tiny")
    TOKENIZER.save_pretrained(tmp_path / "tiny")
    (tmp_path / "tiny" / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", tmp_path / "tiny"]
    server = subprocess.Popen(
        [*map(str, command), "--device", "cpu", "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            assert server.poll() is None
            with suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", str(tmp_path / "tiny")
    finally:
        server.kill()
        server.wait()


def test_real_server_writes(
    transformers_serve: tuple[str, str], shell: Shell, tmp_path: Path
) -> None:
    root, model = transformers_serve
    told = f"--api-model {model} --prompt ab --max-tokens 8 --top-p 1 --temperature 1"
    for ending in ("completions", "chat/completions"):
        out = f"-o {ending[:4]}"
        costs = "--price-in 1 --price-out 1 --max-cost 1"
        done = shell(f"gptsnip --seeds 0-5 {told} --api {root}/v1/{ending} {costs} {out}")
        assert done.returncode == 0, done.stderr
        assert len(done.stderr.splitlines()) == 1  # its answers tell their tokens
        assert len(texts(tmp_path / ending[:4])) == 6
    wrong = shell(f"gptsnip --seeds 0 --api {root}/v1/nothing/completions {told} -o no")
    assert wrong.returncode == 2
    assert "/v1/nothing/completions: " in wrong.stderr


def test_example_with_the_settings_of_the_article(shell: Shell, tmp_path: Path) -> None:
    def behave(asked: Asked) -> None:
        rng = random.Random(asked.body["seed"] if asked.number else 0)
        length = 40 if asked.number < 2 else 120  # the first are too short
        asked.say(" ".join(str(rng.randrange(10**6)) for _ in range(length)))

    with serving(behave) as served:
        call = f"{ROOT}/examples/article-text.sh {served.url} m 1-4 -j 1"
        done, again = shell(call), shell(call)
    assert done.returncode == 0, done.stderr
    assert again.stdout == done.stdout
    assert sorted(done.stdout.split()) == [f"plots/snippet-{n}.txt" for n in range(1, 5)]
    assert len(served.asked) == 6
    body = served.asked[0].body
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.95, 0.98, 700)
    assert body["prompt"].endswith("1. In the first episode of this anime,")
    assert all(len(text) >= 550 for text in texts(tmp_path / "plots").values())
