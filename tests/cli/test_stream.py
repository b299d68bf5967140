"""The stream contract, clause by clause, through real pipes."""

import json
import os
import pty
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.cli.conftest import peak_memory, seconds_to_end, start, tree
from tests.conftest import Shell, within_a_second

# Order, lists, names


def test_output_is_in_the_order_of_the_input(shell: Shell, raw: Path) -> None:
    done = shell("find raw -type f > list; $FILTERS waiter -j 8 --sleep 0.1 < list | cmp - list")
    assert (done.returncode, done.stdout) == (0, "")


def test_unordered_gives_the_same_lines(shell: Shell, raw: Path) -> None:
    done = shell(
        "find raw -type f > list; $FILTERS waiter --unordered -j 8 --sleep 0.1 < list | tee got | sort | cmp - <(sort list); cmp -s got list"
    )
    assert (done.returncode, done.stdout) == (1, "")


def test_a_filter_prints_the_very_string_it_got(shell: Shell, raw: Path) -> None:
    done = shell("printf '%s\\n' ./raw//a/00.png raw/a/../a/00.png | $FILTERS waiter")
    assert done.stdout == "./raw//a/00.png\nraw/a/../a/00.png\n"


def test_the_first_result_comes_before_the_last_input(raw: Path, tmp_path: Path) -> None:
    process = start("waiter", cwd=tmp_path)
    assert process.stdin
    assert process.stdout
    process.stdin.write(b"raw/a/00.png\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"raw/a/00.png\n"
    process.stdin.write(b"raw/a/02.png")  # the last line may lack its newline
    assert process.communicate()[0] == b"raw/a/02.png\n"


def test_any_byte_of_a_name_survives(tmp_path: Path) -> None:
    names = [
        b"-dash",
        b"a b",
        b"\xff\xfe.png",
        b"{brace",
        b'{"path": 1}',
        "目.png".encode(),
        b"tab\t",
    ]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"x")
    done = start("copier", cwd=tmp_path).communicate(b"\n".join(names))[0]
    assert done.split(b"\n")[:-1] == [b"copies/" + name + b".copy" for name in names]
    assert all(os.path.exists(os.fsencode(tmp_path) + b"/" + path) for path in done.split(b"\n"))


def test_null_carries_newlines_both_ways(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "new\nline").write_bytes(b"x")
    done = shell("find . -name 'new*' -print0 | $FILTERS copier -0 | $FILTERS waiter -0")
    assert done.stdout == "copies/new\nline.copy\0"


def test_arguments_replace_the_list_and_a_dash_names_it(shell: Shell, raw: Path) -> None:
    one = shell("ls raw/b/*| $FILTERS waiter raw/a/02.png raw/a/00.png")
    assert one.stdout.split() == ["raw/a/02.png", "raw/a/00.png"]
    two = shell("echo raw/b/01.png | $FILTERS waiter raw/a/02.png - raw/a/00.png")
    assert two.stdout.split() == ["raw/a/02.png", "raw/b/01.png", "raw/a/00.png"]


def test_a_folder_is_walked_as_an_argument_and_silent_in_a_list(shell: Shell, raw: Path) -> None:
    (raw / ".hidden").write_bytes(b"x")
    walked = shell("$FILTERS waiter raw")
    assert walked.stdout.split() == [
        str(p.relative_to(raw.parent)) for p in sorted(raw.glob("*/*"))
    ]
    listed = shell("find raw -type d | $FILTERS waiter")
    assert (listed.returncode, listed.stdout) == (0, "")
    assert "read 0 = " in listed.stderr


def test_facts_travel_along_a_pipe(shell: Shell, raw: Path) -> None:
    done = shell(
        "find raw/a -name 00.png | $FILTERS waiter --json | $FILTERS copier --json | $FILTERS waiter --json"
    )
    record = json.loads(done.stdout)
    assert record["path"] == "copies/raw/a/00.png.copy"
    assert (record["source"], record["seen"], record["number"]) == ("raw/a/00.png", 2, 0)


def test_records_keep_odd_names_and_their_id(shell: Shell, tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_bytes(b"x")
    record = {"path": "\udcff", "id": "7", "source": "far/away.jpg"}
    (tmp_path / "list").write_text(json.dumps(record) + "\n")
    done = shell("$FILTERS copier --json < list")
    got = json.loads(done.stdout)
    assert (got["path"], got["id"], got["source"]) == ("copies/\udcff.copy", "7", "far/away.jpg")


def test_no_list_and_a_terminal_is_wrong_usage(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    process = start("waiter", cwd=tmp_path, stdin=slave)
    _, said = process.communicate()
    os.close(master)
    os.close(slave)
    assert process.returncode == 2
    assert b"no input: name files" in said


@pytest.mark.parametrize("byte", ["x", r"\377"])  # UTF-16 may begin with the second
def test_garbage_is_not_a_list(shell: Shell, byte: str) -> None:
    done = shell(f"tr '\\0' '{byte}' < /dev/zero | timeout 20 $FILTERS waiter")
    assert done.returncode == 2
    assert done.stderr == "waiter: standard input is not a list of paths, one per line\n"


# What fails


def test_one_bad_input_costs_one_line_and_the_rest_goes_on(shell: Shell, raw: Path) -> None:
    os.mkfifo(raw / "fifo")
    done = shell(
        "printf '%s\\n' raw/a/00.png gone raw/fifo raw/a/00.png/x raw/b/01.png | $FILTERS waiter"
    )
    assert done.returncode == 1
    assert done.stdout.split() == ["raw/a/00.png", "raw/b/01.png"]
    assert done.stderr.splitlines() == [
        "waiter: gone: no such file or directory",
        "waiter: raw/fifo: neither a regular file nor a folder",
        "waiter: raw/a/00.png/x: not a directory",
        "waiter: read 5 = kept 2 + rejected 0 + passed over 0 + failed 3",
    ]


def test_the_account_adds_up(shell: Shell, raw: Path) -> None:
    (raw / "text").write_bytes(b"text")
    (raw / "empty").write_bytes(b"nothing")
    done = shell(
        "find raw -type f | $FILTERS copier --copies 2; find raw -type f | $FILTERS halver -v >/dev/null"
    )
    first, *verbose, last = done.stderr.splitlines()
    assert (
        first
        == "copier: read 22 = kept 20 (40 written) + rejected 1 (1 empty) + passed over 1 (1 no image) + failed 0"
    )
    assert last == "halver: read 22 = kept 11 + rejected 11 (11 even) + passed over 0 + failed 0"
    assert len(verbose) == 11
    assert verbose[0].endswith(": even of no account")


def test_what_is_only_scouted_counts_once(shell: Shell, raw: Path) -> None:
    done = shell("{ echo gone; find raw -type f | sort; } | $FILTERS scout")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "13 stay"
    assert done.stdout.count("\n") == 1 + 12
    assert done.stderr.splitlines()[:2] == [
        "scout: gone: no such file or directory",
        "scout: raw/a/02.png: it went",
    ]
    account = "read 21 = kept 12 + rejected 7 (7 third) + passed over 0 + failed 2"
    assert done.stderr.splitlines()[2] == f"scout: {account}"


def test_names_cannot_forge_messages(shell: Shell) -> None:
    done = shell("printf 'a\\033[31m\\nb\\0' | $FILTERS waiter -0")
    assert done.stderr.splitlines()[0] == "waiter: a\\x1b[31m\\nb: no such file or directory"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("waiter --nonsense", "nonsense"),
        ("waiter --size x", "--size takes a whole number, not 'x'"),
        ("waiter --size 0", "--size is at least 1, not 0"),
        ("waiter --size 11k", "--size is at most 10000, not 11k"),
        ("waiter --share 1%%", "--share takes a number, not '1%%'"),
        ("waiter --size ''", "--size takes a whole number, not ''"),
        ("copier -o ''", "--out is empty"),
        ("copier -o some.TAR", "--out some.TAR: copier makes a folder, whose name cannot end in"),
        ("copier -o a/x.tar.gz", "cannot end in .gz"),
        ("copier -o sheet.png", "cannot end in .png"),
        ("waiter -f", "-f"),
        ("fatal", "the moon is full: wait a day"),
    ],
)
def test_what_cannot_run_is_one_sentence_and_status_2(shell: Shell, words: str, said: str) -> None:
    done = shell(f"$FILTERS {words} </dev/null")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_bug_is_told_in_one_line_and_shown_on_request(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "bug").write_bytes(b"")
    done = shell("$FILTERS waiter bug")
    assert done.returncode == 2
    assert done.stderr.startswith("waiter: unexpected error, please report it: ZeroDivisionError")
    assert done.stderr.count("\n") == 1
    assert "Traceback" in shell("$FILTERS waiter bug --debug").stderr


@pytest.mark.parametrize("words", ["waiter -j 1024", "shouter -j 1024"])
def test_a_lack_of_memory_names_the_cure(shell: Shell, raw: Path, words: str) -> None:
    done = shell(f"ulimit -v 400000; $FILTERS {words} --sleep 0.2 raw raw raw raw raw raw raw raw")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "unexpected error" not in done.stderr
    assert "fewer --jobs" in done.stderr


def test_a_full_standard_output_ends_the_run(shell: Shell, raw: Path) -> None:
    done = shell("$FILTERS waiter raw > /dev/full")
    assert (done.returncode, done.stderr) == (
        2,
        "waiter: standard output: no space left on device\n",
    )


# Files


def test_outputs_stay_below_the_folder(shell: Shell, raw: Path) -> None:
    done = shell(
        f"cd raw/a && printf '%s\\n' ../b/01.png ./02.png {raw}/a/00.png | $FILTERS copier -o ../../o/"
    )
    assert done.stdout.split() == [
        "../../o/b/01.png.copy",
        "../../o/02.png.copy",
        f"../../o{raw}/a/00.png.copy",
    ]


def test_two_inputs_never_share_an_output(shell: Shell, raw: Path) -> None:
    shell("cp -r raw other")
    done = shell(
        "cd other && printf '%s\\n' raw/x/../a ../raw/a/00.png a/00.png | $FILTERS copier -o ../o"
    )
    assert done.returncode == 1
    again = shell(
        "cd other && echo ./../raw/a/00.png | $FILTERS copier -o ../o; echo a/00.png | $FILTERS copier -o ../o"
    )
    assert again.returncode == 0
    clash = shell("cd other && cp -r ../raw raw && echo raw/a/00.png | $FILTERS copier -o ../o")
    assert clash.returncode == 1
    assert "would replace those of" in clash.stderr


def test_a_path_listed_twice_is_done_once_and_printed_twice(shell: Shell, raw: Path) -> None:
    done = shell(
        "printf '%s\\n' raw/a/00.png ./raw/a/00.png raw/a/00.png | $FILTERS copier --sleep 0.1; wc -l < log"
    )
    assert done.stdout.split() == ["copies/raw/a/00.png.copy"] * 3 + ["1"]


def test_a_second_run_passes_over_what_is_done_and_lists_it(shell: Shell, raw: Path) -> None:
    (raw / "empty").write_bytes(b"nothing")
    line = "find raw -type f | sort | $FILTERS copier --json --copies 2"
    first = shell(line)
    second = shell(line)
    assert second.stdout == first.stdout
    assert first.stdout.count("\n") == 40
    assert "rejected 1 (1 empty)" in second.stderr
    assert (raw.parent / "log").read_text().count("\n") == 21


def test_what_changed_or_went_is_made_again(shell: Shell, raw: Path) -> None:
    shell("find raw -type f | $FILTERS copier --copies 2; rm log copies/raw/a/02.png.1")
    (raw / "a/00.png").write_bytes(b"another")
    done = shell("find raw -type f | $FILTERS copier --copies 2")
    assert done.returncode == 0
    assert sorted((raw.parent / "log").read_text().split()) == ["'raw/a/00.png'", "'raw/a/02.png'"]
    assert (raw.parent / "copies/raw/a/00.png.0").read_bytes() == b"another!!!!!"
    (raw / "a/00.png").write_bytes(b"nothing")
    shell("find raw -type f | $FILTERS copier --copies 2")
    assert not (raw.parent / "copies/raw/a/00.png.0").exists()


def test_other_settings_are_named_and_force_makes_it_anew(shell: Shell, raw: Path) -> None:
    shell("$FILTERS copier raw")
    before = tree(raw.parent / "copies")
    done = shell("$FILTERS copier raw --size 6")
    assert (done.returncode, done.stdout) == (2, "")
    assert "was made with --size 5, this run is with --size 6" in done.stderr
    assert tree(raw.parent / "copies") == before
    other = shell("$FILTERS forked raw")
    assert "was made by copier, this run is by forked" in other.stderr
    assert shell("$FILTERS copier raw --size 6 -f").returncode == 0
    assert (raw.parent / "copies/raw/a/00.png.copy").read_bytes() == b"data 0!!!!!!"


def test_options_that_are_new_or_gone_since_a_folder_was_made_have_their_defaults(
    shell: Shell, raw: Path
) -> None:
    first = shell("$FILTERS copier raw")
    with closing(sqlite3.connect(raw.parent / "copies/.animetools.sqlite")) as journal, journal:
        (words,) = journal.execute("SELECT words FROM settings").fetchone()
        old = json.loads(words) | {"gone": False}
        for name in ("size", "share", "mirror", "words"):
            del old[name]
        journal.execute("UPDATE settings SET words = ?", [json.dumps(old)])
    again = shell("rm log; $FILTERS copier raw")
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert not (raw.parent / "log").exists()
    other = shell("$FILTERS copier raw --size 6")
    assert "was made with --size 5, this run is with --size 6" in other.stderr
    other = shell("$FILTERS copier raw --words one")
    assert "was made without --words, this run is with --words one" in other.stderr


def test_an_option_of_several_values_is_compared_by_them(shell: Shell, raw: Path) -> None:
    shell("$FILTERS copier raw --words one --words two")
    done = shell("$FILTERS copier raw --words one --words two --size 6")
    assert "was made with --size 5, this run is with --size 6" in done.stderr
    done = shell("$FILTERS copier raw --words one")
    assert "was made with --words one two, this run is with --words one:" in done.stderr


def test_what_was_made_with_what_was_there_serves_and_is_told_once(shell: Shell, raw: Path) -> None:
    first = shell("FOUND=one $FILTERS copier raw")
    (raw / "b/new.png").write_bytes(b"new")
    done = shell("rm log; FOUND='one and two' $FILTERS copier raw")
    assert (done.returncode, done.stdout.count("\n")) == (0, first.stdout.count("\n") + 1)
    assert (raw.parent / "log").read_text() == "'raw/b/new.png'\n"
    assert done.stderr.splitlines()[0] == (
        "copier: copies: outputs made with one stay; new ones are made with one and two (-f"
        " makes all again)"
    )
    assert done.stderr.count("\n") == 2
    other = shell("FOUND=one $FILTERS copier raw --size 6")
    assert "was made with --size 5, this run is with --size 6" in other.stderr


def test_a_file_of_somebody_else_is_never_overwritten(shell: Shell, raw: Path) -> None:
    theirs = raw.parent / "copies/raw/a/00.png.copy"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"a drawing")
    done = shell("$FILTERS copier raw")
    assert done.returncode == 1
    assert "copies/raw/a/00.png.copy exists and was not written from this input" in done.stderr
    assert theirs.read_bytes() == b"a drawing"
    assert shell("$FILTERS copier raw -f").returncode == 0
    theirs.write_bytes(b"retouched by hand")
    (raw / "a/00.png").write_bytes(b"changed")
    assert shell("$FILTERS copier raw").returncode == 1
    assert theirs.read_bytes() == b"retouched by hand"


def test_an_item_gives_all_its_files_or_none(shell: Shell, raw: Path) -> None:
    done = shell("CRASH='data 4' $FILTERS copier raw --copies 3")
    assert done.returncode == 1
    assert "raw/a/04.png: it crashed" in done.stderr
    assert not list(raw.parent.glob("copies/raw/a/*04.png*"))
    assert not list(raw.parent.glob("copies/**/.*part"))
    again = shell("$FILTERS copier raw --copies 3")
    assert again.returncode == 0
    assert again.stdout.count("\n") == 60


def test_a_dry_run_writes_nothing(shell: Shell, raw: Path) -> None:
    done = shell("$FILTERS copier -n raw")
    assert done.stdout.count("copies/raw/") == 20
    assert not (raw.parent / "copies").exists()


def test_items_can_come_from_options(shell: Shell, tmp_path: Path) -> None:
    first = shell("$FILTERS counter --size 7 --json < /dev/null")
    assert [json.loads(line)["path"] for line in first.stdout.splitlines()] == [
        f"numbers/{n % 3}/{n}" for n in range(7)
    ]
    assert "source" not in first.stdout
    assert shell("$FILTERS counter --size 7 --json").stdout == first.stdout


def test_a_folder_that_cannot_be_written_ends_the_run(shell: Shell, raw: Path) -> None:
    (raw.parent / "file").write_bytes(b"")
    done = shell("$FILTERS copier -o file raw")
    assert (done.returncode, done.stdout) == (2, "")
    assert "file: cannot make the output folder" in done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1M", "none", disk], capture_output=True
    ).returncode:
        pytest.skip("may not mount")
    return disk


def test_a_full_disk_ends_the_run_and_leaves_whole_files(
    shell: Shell, raw: Path, small_disk: Path
) -> None:
    try:
        done = shell("$FILTERS copier -o disk/o raw --copies 40 --size 10000 -j 2")
        assert done.returncode == 2
        assert "no space left on device" in done.stderr or "full" in done.stderr
        assert {len(data) for data in tree(small_disk / "o").values()} <= {10_006, 10_007}
        subprocess.run(["mount", "-o", "remount,size=20M", small_disk], check=True)
        assert (
            shell("$FILTERS copier -o disk/o raw --copies 40 --size 10000 | wc -l").stdout
            == "800\n"
        )
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        done = shell("$FILTERS copier -o disk/p raw")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "read-only file system" in done.stderr.lower()
    finally:
        subprocess.run(["umount", small_disk], check=True)


@pytest.mark.parametrize(
    ("closed", "status"), [(">&-", "2"), ("2>&-", "0"), ("<&-", "0"), (">&- 2>&- <&-", "2")]
)
def test_a_closed_standard_file_is_never_one_of_ours(
    shell: Shell, raw: Path, closed: str, status: str
) -> None:
    done = shell(f"$FILTERS copier raw/a/02.png {closed}; echo $?")
    assert done.stdout.splitlines()[-1] == status
    contents = {path.read_bytes() for path in raw.parent.rglob("*.copy")}
    assert contents <= {b"data 2!!!!!"}


def test_an_unwritable_standard_error_does_not_stop_the_work(shell: Shell, raw: Path) -> None:
    done = shell("$FILTERS waiter gone raw/a/00.png 2> /dev/full")
    assert (done.returncode, done.stdout) == (1, "raw/a/00.png\n")


@pytest.mark.parametrize("words", ["--help", "--version"])
def test_help_into_a_full_file_is_one_sentence(shell: Shell, words: str) -> None:
    done = shell(f"$FILTERS waiter {words} > /dev/full")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_ending_one_process_spares_the_parts_of_another(raw: Path, tmp_path: Path) -> None:
    words = ["keeper", "--mirror", "--sleep", "1", "raw/a/00.png"]
    first = start(*words, cwd=tmp_path)
    part = tmp_path / "copies/raw/a/.00.png.part"
    while not part.exists():
        time.sleep(0.02)
    second = start(*words, "--sleep", "0", cwd=tmp_path)
    time.sleep(0.5)
    second.terminate()
    second.communicate()
    assert first.communicate()[0] == b"copies/raw/a/00.png\n"
    assert (tmp_path / "copies/raw/a/00.png").read_bytes() == b"mirrored"


def test_outputs_outlive_their_source_and_are_not_given_to_another(shell: Shell, raw: Path) -> None:
    shell(
        "mkdir one two; echo first > one/x; echo second > two/x; cd one; $FILTERS copier -o ../o x; rm x"
    )
    done = shell("cd two; $FILTERS copier -o ../o x")
    assert done.returncode == 1
    assert "would replace those of" in done.stderr
    assert (raw.parent / "o/x.copy").read_bytes().startswith(b"first")


def test_a_folder_that_moved_is_the_same_one(shell: Shell, raw: Path) -> None:
    shell("mkdir one; mv raw one; cd one; $FILTERS copier -o o raw; cd ..; mv one two; rm two/log")
    done = shell("cd two; $FILTERS copier -o o raw")
    assert done.stdout.count("\n") == 20
    assert not (raw.parent / "two/log").exists()


def test_facts_are_the_same_when_listed_again_whatever_came_with_the_path(
    shell: Shell, raw: Path
) -> None:
    line = "| $FILTERS copier --json"
    shell("""echo '{"path": "raw/a/00.png", "number": 0, "id": 1}' """ + line)
    again = json.loads(
        shell("""echo '{"path": "raw/a/00.png", "number": 7, "id": 2}' """ + line).stdout
    )
    assert (again["number"], again["id"]) == (0, 2)
    assert json.loads(shell("echo raw/a/00.png" + line).stdout)["number"] == 0


def test_what_is_passed_on_is_passed_on_again(shell: Shell, raw: Path) -> None:
    first = shell("$FILTERS keeper raw --json")
    assert json.loads(first.stdout.splitlines()[0]) == {"path": "raw/a/00.png", "kept": True}
    assert shell("$FILTERS keeper raw --json").stdout == first.stdout


def test_an_input_is_never_overwritten_even_by_force(shell: Shell, raw: Path) -> None:
    done = shell("$FILTERS keeper --mirror -f -o . raw/a/00.png")
    assert done.returncode == 1
    assert "the output would overwrite its input" in done.stderr
    assert (raw / "a/00.png").read_bytes() == b"data 0"


def test_a_command_does_not_feed_on_what_it_made(shell: Shell, raw: Path) -> None:
    first = shell("$FILTERS copier .")
    assert first.stdout.count("\n") == 20
    assert shell("rm log; $FILTERS copier .").stdout.count("\n") == 20
    found = shell("rm -f log; find . -name '*.png*' | $FILTERS copier")
    assert found.stdout.count("\n") == 20
    assert "passed over 20 (20 made here)" in found.stderr
    other = shell("find copies -name '*.copy' | $FILTERS forked -o copies")
    assert other.stdout.count("\n") == 20


def test_odd_times_are_times(shell: Shell, raw: Path) -> None:
    shell("touch -d @0 raw/a/00.png; touch -d 2300-01-01 raw/a/02.png")
    first = shell("$FILTERS copier raw --json")
    assert first.returncode == 0
    assert json.loads(first.stdout.splitlines()[0])["source"] == "raw/a/00.png"
    assert shell("$FILTERS copier raw --json").stdout == first.stdout


def test_a_damaged_journal_is_named(shell: Shell, raw: Path) -> None:
    (raw.parent / "copies").mkdir()
    (raw.parent / "copies/.animetools.sqlite").write_bytes(b"garbage" * 1000)
    done = shell("$FILTERS copier raw")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "copies/.animetools.sqlite: file is not a database" in done.stderr
    shell("rm copies/.animetools.sqlite; mkdir copies/.animetools.sqlite")
    assert "unable to open" in shell("$FILTERS copier raw").stderr


def test_a_folder_may_be_named_through_a_link(shell: Shell, raw: Path) -> None:
    done = shell("ln -s raw link; ln -s .. raw/a/loop; $FILTERS copier link")
    assert done.stdout.count("\n") == 20


def test_an_emptied_file_is_made_again(shell: Shell, raw: Path) -> None:
    shell("$FILTERS copier raw; truncate -s 0 copies/raw/a/00.png.copy")
    assert shell("$FILTERS copier raw").returncode == 0
    assert (raw.parent / "copies/raw/a/00.png.copy").read_bytes() == b"data 0!!!!!"


def test_a_folder_whose_files_two_processes_made_is_still_ours(shell: Shell, raw: Path) -> None:
    shell(
        "$FILTERS copier --sleep 0.3 -j 1 raw/a/00.png raw/a/02.png & sleep 0.45; $FILTERS copier --sleep 0.3 raw/a/02.png; wait"
    )
    (raw / "a/02.png").write_bytes(b"changed")
    assert shell("$FILTERS copier --sleep 0.3 raw/a/02.png").returncode == 0


# Ends


def test_a_thread_that_is_left_does_not_keep_the_end_from_coming(shell: Shell, raw: Path) -> None:
    began = time.monotonic()
    done = shell("$FILTERS lingerer raw/a/00.png gone")
    assert time.monotonic() - began < 30
    assert (done.returncode, done.stdout) == (1, "raw/a/00.png\n")
    assert done.stderr.endswith("failed 1\nthe end\n")


@pytest.mark.parametrize("name", ["copier", "forked"])
def test_a_reader_that_leaves_ends_us_by_sigpipe(shell: Shell, raw: Path, name: str) -> None:
    done = shell(f"$FILTERS {name} raw --sleep 0.1 | head -1; echo ${{PIPESTATUS[0]}}; sleep 0.3")
    assert done.stdout.split() == ["copies/raw/a/00.png.copy", "141"]
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["copier", "forked"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_us_within_a_second(
    raw: Path, tmp_path: Path, name: str, number: signal.Signals
) -> None:
    assert within_a_second(partial(seconds_to_end, name, number, tmp_path / "log"))


@pytest.mark.parametrize("name", ["copier", "forked"])
def test_a_killed_run_is_taken_up_where_it_was(
    shell: Shell, raw: Path, tmp_path: Path, name: str
) -> None:
    whole = shell(f"$FILTERS {name} raw --copies 3 -o whole")
    process = start(name, "raw", "--copies", "3", "--sleep", "0.1", "-j", "2", cwd=tmp_path)
    assert process.stdout
    for _ in range(10):
        process.stdout.readline()
    process.kill()
    process.communicate()
    (tmp_path / "copies/raw/a/.18.png.1.part").write_bytes(b"half")  # as if killed in the middle
    (tmp_path / "log").unlink()
    second = shell(f"$FILTERS {name} raw --copies 3 --sleep 0.1")
    assert second.returncode == 0
    assert second.stdout == whole.stdout.replace("whole/", "copies/")
    assert tree(tmp_path / "copies") == tree(tmp_path / "whole")
    assert (tmp_path / "log").read_text().count("\n") <= 18


def test_parts_of_a_dead_run_are_swept_though_their_input_is_gone(shell: Shell, raw: Path) -> None:
    process = start("copier", "raw", "--sleep", "5", "-j", "2", cwd=raw.parent)
    while not (raw.parent / "log").exists():
        time.sleep(0.02)
    process.kill()
    process.communicate()
    part = raw.parent / "copies/raw/a/.00.png.copy.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"half")
    shell("$FILTERS copier raw/b")
    assert not part.exists()


def test_two_processes_share_a_folder(shell: Shell, raw: Path) -> None:
    done = shell(
        "for i in 1 2 3; do $FILTERS copier raw --copies 2 -j 4 > $i & done; wait; cmp 1 2 && cmp 2 3 && wc -l < 1"
    )
    assert done.stdout.split() == ["40"]
    assert len(tree(raw.parent / "copies")) == 40


# Pools and size


def test_processes_are_several(shell: Shell, raw: Path) -> None:
    done = shell("$FILTERS forked raw -j 3 --together 3 --json")
    assert len({json.loads(line)["pid"] for line in done.stdout.splitlines()}) == 3


def test_memory_does_not_grow_with_the_list(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        lines = b"gone\nhere\n" * (count // 2)
        return peak_memory("waiter", cwd=tmp_path, lines=lines, results=count // 2)

    (tmp_path / "here").write_bytes(b"x")
    assert peak(30_000) < 1.1 * peak(10_000)


# The terminal


def test_the_bar_shows_only_where_nobody_else_draws(raw: Path, tmp_path: Path) -> None:
    def screen(**options: object) -> bytes:
        master, slave = pty.openpty()
        process = start(
            "waiter",
            "raw",
            "--sleep",
            "0.5",
            cwd=tmp_path,
            stderr=slave,
            **({"stdout": slave} | options),
        )
        os.close(slave)
        seen = b""
        while True:
            try:
                chunk = os.read(master, 4096)
            except OSError:
                break
            if not chunk:
                break
            seen += chunk
        process.communicate()
        os.close(master)
        return seen

    alone = screen()
    assert b"raw/a/00.png" in alone
    assert b"of 20" in alone
    assert b"of 20" not in screen(stdout=subprocess.PIPE)


def test_what_comes_before_the_bars_owner_clears_its_line(raw: Path, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    lines = b"raw/a/00.png\ngone\nraw/a/02.png\n"
    first = start("waiter", "--sleep", "0.5", cwd=tmp_path, stderr=slave)
    last = start("waiter", "--sleep", "0.5", cwd=tmp_path, stdin=first.stdout, stderr=slave, stdout=slave)  # fmt: skip
    os.close(slave)
    assert first.stdin
    assert first.stdout
    first.stdout.close()
    first.stdin.write(lines)
    first.stdin.close()
    seen = b""
    with suppress(OSError):  # so a terminal ends
        while chunk := os.read(master, 4096):
            seen += chunk
    os.close(master)
    assert (first.wait(), last.wait()) == (1, 0)
    assert seen.count(b"\r\x1b[Kwaiter: gone: no such file or directory\r\n") == 1
    assert seen.count(b"\r\x1b[Kwaiter: read 3 = ") == 1
    assert b"\x1b[Kwaiter: read 2 = " not in seen.split(b"read 3")[1]
