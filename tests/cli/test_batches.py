"""The contract of the stream holds for work in batches."""

import json
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from tests.cli.conftest import peak_memory, seconds_to_end, start, tree
from tests.conftest import Shell, within_a_second


def sizes(folder: Path) -> list[int]:
    """How many items each batch had, in order."""
    return [int(line.split()[1]) for line in (folder / "batches").read_text().splitlines()]


def test_results_are_each_item_its_own_in_the_order_of_the_input(shell: Shell, raw: Path) -> None:
    done = shell("find raw -type f > list; $FILTERS shouter -j 4 --size 3 < list")
    assert done.stdout.split() == [
        f"copies/{line}.loud" for line in (raw.parent / "list").read_text().split()
    ]
    for n in range(20):
        path = raw.parent / f"copies/raw/{'ab'[n % 2]}/{n:02}.png.loud"
        assert path.read_bytes() == b"DATA %d" % n
    assert sum(sizes(raw.parent)) == 20
    assert max(sizes(raw.parent)) <= 3


def test_unordered_gives_the_same_files(shell: Shell, raw: Path) -> None:
    done = shell(
        "$FILTERS shouter raw -o one | sort > 1; $FILTERS shouter raw -o two --unordered --devices 3 --size 2 | sort > 2; sed -i s/two/one/ 2; cmp 1 2"
    )
    assert done.returncode == 0
    assert tree(raw.parent / "one") == tree(raw.parent / "two")


def test_batches_are_full_where_the_input_is_plentiful(shell: Shell, raw: Path) -> None:
    shell("$FILTERS grader raw --size 6 --sleep 0.3")
    assert sizes(raw.parent)[1:3] == [6, 6]


def test_a_batch_never_waits_for_a_second_item(raw: Path, tmp_path: Path) -> None:
    process = start("grader", "--size", "100", cwd=tmp_path)
    assert process.stdin
    assert process.stdout
    for n in (0, 2):
        process.stdin.write(b"raw/a/%02d.png\n" % n)
        process.stdin.flush()
        assert process.stdout.readline() == b"raw/a/%02d.png\n" % n
    process.communicate()
    assert sizes(tmp_path) == [1, 1]


def test_every_device_gets_its_share(shell: Shell, raw: Path) -> None:
    shell("$FILTERS grader raw --size 1 --devices 3 --sleep 0.1")
    devices = [line.split()[0] for line in (raw.parent / "batches").read_text().splitlines()]
    assert all(devices.count(name) > 2 for name in "012")


def test_decoding_goes_ahead_of_the_device_within_a_window(shell: Shell, raw: Path) -> None:
    process = start("grader", "raw", "--size", "1", "--sleep", "60", "-j", "1", cwd=raw.parent)
    log = raw.parent / "log"
    while not log.exists() or log.read_text().count("\n") < 7:
        time.sleep(0.02)
    time.sleep(0.3)
    process.kill()
    process.communicate()
    assert log.read_text().count("\n") == 4 + 3  # a worker's four, and three batches of one


def test_what_cannot_be_read_costs_its_own_item_only(shell: Shell, raw: Path) -> None:
    for n, data in [(2, b"broken"), (4, b"text"), (6, b"vast")]:
        (raw / f"a/{n:02}.png").write_bytes(data)
    done = shell("$FILTERS shouter raw --size 20; s=$?; find . -name '.*part'; exit $s")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "shouter: raw/a/02.png: it is broken",
        "shouter: raw/a/06.png: not enough memory for it",
        "shouter: read 20 = kept 17 (17 written) + rejected 0 + passed over 1 (1 no image) + failed 2",
    ]
    assert done.stdout.count("\n") == 17


def test_one_result_that_is_an_error_spares_its_batch(shell: Shell, raw: Path) -> None:
    (raw / "a/02.png").write_bytes(b"mute")
    done = shell("$FILTERS shouter raw --size 20 -j 4")
    assert (done.returncode, done.stdout.count("\n")) == (1, 19)
    assert done.stderr.splitlines()[0] == "shouter: raw/a/02.png: it is mute"


@pytest.mark.parametrize(
    ("data", "said"), [(b"poison", "it was poisoned"), (b"large", "not enough memory for it")]
)
def test_a_batch_that_cannot_be_computed_costs_its_own_items_only(
    shell: Shell, raw: Path, data: bytes, said: str
) -> None:
    (raw / "a/02.png").write_bytes(data)
    done = shell("$FILTERS shouter raw --size 1")
    assert (done.returncode, done.stdout.count("\n")) == (1, 19)
    assert done.stderr.splitlines()[0] == f"shouter: raw/a/02.png: {said}"
    assert shell("echo data > raw/a/02.png; $FILTERS shouter raw --size 1").returncode == 0


def test_a_lost_device_ends_the_run(shell: Shell, raw: Path) -> None:
    (raw / "b/01.png").write_bytes(b"lost")
    done = shell("$FILTERS shouter raw --size 1")
    assert done.returncode == 2
    assert done.stderr == "shouter: the device is lost: try another --device\n"
    assert done.stdout.count("\n") == 10  # what came before it


def test_a_bug_in_a_network_is_told_in_one_line_and_shown_on_request(
    shell: Shell, raw: Path
) -> None:
    (raw / "a/00.png").write_bytes(b"bug")
    done = shell("$FILTERS grader raw")
    assert done.returncode == 2
    assert done.stderr.startswith("grader: unexpected error, please report it: ZeroDivisionError")
    assert done.stderr.count("\n") == 1
    assert "Traceback" in shell("$FILTERS grader raw --debug").stderr


def test_an_item_gives_all_its_files_or_none(shell: Shell, raw: Path) -> None:
    done = shell("CRASH='DATA 4' $FILTERS shouter raw --copies 3")
    assert done.returncode == 1
    assert "raw/a/04.png: it crashed" in done.stderr
    assert not list(raw.parent.glob("copies/raw/a/*04.png*"))
    assert not list(raw.parent.glob("copies/**/.*part"))


def test_a_second_run_reads_and_computes_nothing(shell: Shell, raw: Path) -> None:
    first = shell("$FILTERS shouter raw --json")
    second = shell("rm log batches loads; $FILTERS shouter raw --json; ls")
    assert second.stdout == first.stdout + "copies\nraw\n"


def test_a_path_listed_twice_is_done_once_and_printed_twice(shell: Shell, raw: Path) -> None:
    done = shell(
        "printf '%s\\n' raw/a/00.png ./raw/a/00.png | $FILTERS shouter --sleep 0.2; wc -l < log"
    )
    assert done.stdout.split() == ["copies/raw/a/00.png.loud"] * 2 + ["1"]


def test_a_dry_run_writes_nothing(shell: Shell, raw: Path) -> None:
    done = shell("$FILTERS shouter -n raw")
    assert done.stdout.count("copies/raw/") == 20
    assert not (raw.parent / "copies").exists()


def test_facts_travel_without_a_folder(shell: Shell, raw: Path) -> None:
    done = shell("""echo '{"path": "raw/a/00.png", "id": 7}' | $FILTERS grader --json""")
    assert json.loads(done.stdout) == {"path": "raw/a/00.png", "id": 7, "said": "DATA 0"}


def test_a_reader_that_leaves_ends_us_by_sigpipe(shell: Shell, raw: Path) -> None:
    done = shell(
        "$FILTERS shouter raw --size 1 --sleep 0.1 | head -1; echo ${PIPESTATUS[0]}; sleep 0.3"
    )
    assert done.stdout.split() == ["copies/raw/a/00.png.loud", "141"]
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["shouter", "forkedshouter"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_us_within_a_second(
    raw: Path, tmp_path: Path, name: str, number: signal.Signals
) -> None:
    assert within_a_second(partial(seconds_to_end, name, number, tmp_path / "batches"))


@pytest.mark.parametrize("name", ["shouter", "forkedshouter"])
def test_a_killed_run_is_taken_up_where_it_was(
    shell: Shell, raw: Path, tmp_path: Path, name: str
) -> None:
    whole = shell(f"$FILTERS {name} raw --copies 3 -o whole")
    process = start(name, "raw", "--copies", "3", "--sleep", "0.1", "-j", "1", cwd=tmp_path)
    assert process.stdout
    for _ in range(10):
        process.stdout.readline()
    process.kill()
    process.communicate()
    (tmp_path / "log").unlink()
    second = shell(f"$FILTERS {name} raw --copies 3 --sleep 0.1")
    assert second.returncode == 0
    assert second.stdout == whole.stdout.replace("whole/", "copies/")
    assert tree(tmp_path / "copies") == tree(tmp_path / "whole")
    assert (tmp_path / "log").read_text().count("\n") <= 18


def test_memory_does_not_grow_with_the_list(raw: Path, tmp_path: Path) -> None:
    def peak(count: int) -> int:
        lines = b"raw/a/00.png\n" * count
        return peak_memory("grader", cwd=tmp_path, lines=lines, results=count)

    assert peak(15_000) < 1.1 * peak(5_000)
