"""booruselect through real pipes: what is chosen, how it is printed, and what is wrong with the input."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.booru.posts import lines, new, old
from tests.conftest import ROOT, Shell

FORMS = pytest.mark.parametrize("form", [old, new])


@FORMS
def test_all_tags_and_none_of_the_others(form: Any, shell: Shell, tmp_path: Path) -> None:
    posts = [
        form(7, "1boy", "solo"),
        form(263167, "1boy", "solo", "long_hair"),
        form(8, "1boy", "solo", "trap"),
        form(9, "1boys", "solo"),
        form(10, "solo", source="1boy"),
        form(11, "1boy", "solo", is_deleted=True),
    ]
    (tmp_path / "m.jsonl").write_bytes(lines(*posts))
    done = shell("booruselect --tag 1boy --tag solo --no-tag trap m.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["original/0007/7.jpg", "original/0167/263167.jpg"]
    assert done.stderr == (
        "booruselect: read 6 = kept 2 + rejected 4 (3 tags, 1 not active) + passed over 0 + failed 0\n"
    )


@FORMS
@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ("", [1, 2, 3, 4, 5]),
        ("--any-tag smile,hat", [1, 2, 5]),
        ("--tag SMILE", [1, 5]),
        ("--character 'miku_(a),rin'", [2, 3]),
        ("--artist x", [4]),
        ("--copyright vocaloid --no-tag hat", [3]),
        ("--rating sfw", [1, 2, 3]),
        ("--rating g,explicit", [1, 5]),
        ("--rating safe --rating q", [1, 2, 3, 4]),
        ("--min-score 5", [2, 5]),
        ("--min-width 900 --min-height 700", [1, 3, 4, 5]),
        ("--ext jpeg", [1, 2, 3, 5]),
        ("--since 2", [2, 3, 4, 5]),
        ("--since 2018-05 --until 2018-06-02", [2, 3, 4]),
        ("--until 2018-05", [1, 2, 3]),
        ("--limit 2", [1, 2]),
        ("--limit 1 --tag hat", [2]),
        ("--inactive --min-score 99", [6]),
        ("--where 'score >= 2 * 4 or tags like \"% miku_(_) %\"'", [2, 3, 5]),
        ("--where \"file_ext = 'png' and image_width > 1000\"", [4]),
        ("--where 'fav_count > 0'", []),
    ],
)
def test_each_filter(
    form: Any, options: str, kept: list[int], shell: Shell, tmp_path: Path
) -> None:
    posts = [
        form(1, "smile", created_at="2017-01-01 00:00:00 UTC", rating="g"),
        form(2, "hat", "rin:4", "vocaloid:3", score=8, image_width=800, rating="s"),
        form(3, "miku_(a):4", "vocaloid:3", created_at="2018-05-31T23:00:00.000-04:00", rating="s"),
        form(4, "x:1", created_at="2018-06-02T10:00:00.000-04:00", rating="q", file_ext="png"),
        form(5, "smile", "y:1", created_at="2019-01-01 00:00:00 UTC", rating="e", score=9),
        form(6, is_pending=True, score=100),
    ]
    (tmp_path / "m.jsonl").write_bytes(lines(*posts))
    done = shell(f"booruselect -q --ids {options} m.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert [int(number) for number in done.stdout.split()] == kept


def test_the_same_answer_as_jq(shell: Shell, tmp_path: Path) -> None:
    if subprocess.run(["which", "jq"], capture_output=True).returncode:
        pytest.skip("jq is not installed")
    rng = random.Random(1)
    names = [
        "1boy",
        "solo",
        "trap",
        "1boys",
        "solo_focus",
        "smile",
        "x:1",
        "pokémon:3",
        'a"b',
        "\\m/",
    ]
    posts = [
        old(n, *rng.sample(names, 5), rating=rng.choice("sqe"), is_deleted=rng.random() < 0.1)
        for n in range(2000)
    ]
    (tmp_path / "m.jsonl").write_bytes(lines(*posts))
    for tag in ("solo", "pokémon", 'a"b', "\\m/"):
        (tmp_path / "tag").write_text(tag)
        query = (
            'select((.is_deleted|not) and .rating == "s" and ([.tags[].name] | (index($tag) and'
            ' (index("trap")|not)))) | .id'
        )
        wanted = shell(f"jq -r --arg tag \"$(cat tag)\" '{query}' m.jsonl")
        done = shell('booruselect --ids --tag "$(cat tag)" --no-tag trap --rating s m.jsonl')
        assert done.stdout == wanted.stdout != "", done.stderr


def test_paths_begin_where_the_images_are(shell: Shell, tmp_path: Path) -> None:
    for place in ("a/original", "b/metadata", "b/original", "b/512px"):
        (tmp_path / place).mkdir(parents=True)
    for place in ("a/m.jsonl", "b/metadata/2018", "m.jsonl"):
        (tmp_path / place).write_bytes(lines(old(1263167)))
    for options, path in {
        "a/m.jsonl": "a/original/0167/1263167.jpg",
        "b/metadata/2018": "b/original/0167/1263167.jpg",
        "b/metadata": "b/original/0167/1263167.jpg",
        "m.jsonl": "original/0167/1263167.jpg",
        "--samples-512 b/metadata/2018": "b/512px/0167/1263167.jpg",
        "--root /c/ m.jsonl": "/c/original/0167/1263167.jpg",
        "- < a/m.jsonl": "original/0167/1263167.jpg",
    }.items():
        done = shell(f"booruselect {options}")
        assert (done.returncode, done.stdout) == (0, path + "\n"), done.stderr
    done = shell("booruselect --existing a/m.jsonl")
    assert (done.returncode, done.stdout) == (0, "")
    assert "rejected 1 (1 not downloaded)" in done.stderr


@FORMS
def test_records_say_what_is_known(form: Any, shell: Shell, tmp_path: Path) -> None:
    post = form(263167, "smile", "miku:4", "x:1", rating="s")
    (tmp_path / "m.jsonl").write_bytes(lines(post))
    record = json.loads(shell("booruselect --json m.jsonl").stdout)
    tags = record.pop("tags")
    assert sorted(tags) == [["miku", "character", 1], ["smile", "general", 1], ["x", "artist", 1]]
    assert record == {
        "path": "original/0167/263167.jpg",
        "id": "263167",
        "md5": f"{263167:032x}",
        "rating": "s",
        "created_at": "2018-05-01 10:00:00 UTC",
    }
    bare = {"id": 5, "tag_string": "smile miku", "file_ext": "png"}
    (tmp_path / "m.jsonl").write_bytes(lines(bare))
    assert json.loads(shell("booruselect --json --character miku m.jsonl").stdout) == {
        "path": "original/0005/5.png",
        "id": "5",
        "tags": [["smile", "general", 1], ["miku", "general", 1]],
    }


def test_tags_are_counted_by_category(shell: Shell, tmp_path: Path) -> None:
    posts = [old(n, "smile", *["hat"] * (n < 3), "b:4", *["a:4"] * (n > 1)) for n in range(5)]
    (tmp_path / "m.jsonl").write_bytes(lines(*posts))
    assert shell("booruselect --count-tags character m.jsonl").stdout == "b\t5\na\t3\n"
    assert (
        shell("booruselect --count-tags general --since 2 m.jsonl").stdout == "smile\t3\nhat\t1\n"
    )
    assert shell("booruselect --count-tags all m.jsonl | head -2").stdout == "b\t5\nsmile\t5\n"
    (tmp_path / "m.jsonl").write_bytes(lines({"id": 1, "tag_string": "a"}))
    done = shell("booruselect --count-tags character m.jsonl")
    assert (done.returncode, done.stdout) == (1, "")
    assert "m.jsonl: line 1: it has no tag_string_character\n" in done.stderr


def test_a_sample_depends_on_the_seed_alone(shell: Shell, tmp_path: Path) -> None:
    posts = [old(n, source="x" * 2000) for n in range(1000)]
    (tmp_path / "a").write_bytes(lines(*posts))
    (tmp_path / "b").write_bytes(lines(*posts[:300]))
    (tmp_path / "c").write_bytes(lines(*posts[300:]))
    one = shell("booruselect --sample 50 -j 1 --ids a")
    assert "kept 50 + rejected 950 (950 not in the sample)" in one.stderr
    assert one.stdout == shell("booruselect --sample 50 -j 8 --ids b c").stdout
    assert one.stdout.split() == sorted(one.stdout.split(), key=int)
    assert sorted(one.stdout) == sorted(shell("booruselect --sample 50 --ids c b").stdout)
    assert set(one.stdout.split()) < set(shell("booruselect --sample 60 --ids a").stdout.split())
    assert one.stdout != shell("booruselect --sample 50 --seed 1 --ids a").stdout


def test_links_of_the_top_characters(shell: Shell, tmp_path: Path) -> None:
    names = {1: "b:4", 2: "b:4", 3: "../a:4", 4: "../a:4", 5: "c:4", 6: "b:4"}
    posts = [old(n, name, *["../a:4"] * (n == 2)) for n, name in names.items()]
    (tmp_path / "m.jsonl").write_bytes(lines(*posts))
    for number in range(1, 6):
        (tmp_path / f"original/{number:04}").mkdir(parents=True)
        (tmp_path / f"original/{number:04}/{number}.jpg").write_text(f"{number}")
    line = "booruselect --top-characters 2 --link classes m.jsonl"
    dry = shell(f"{line} -n")
    assert not (tmp_path / "classes").exists()
    done = shell(line)
    assert done.returncode == 0, done.stderr
    assert done.stdout == dry.stdout
    assert done.stdout.split() == [
        "classes/b/1.jpg",
        "classes/b/2.jpg",
        "classes/%2E.%2Fa/2.jpg",
        "classes/%2E.%2Fa/3.jpg",
        "classes/%2E.%2Fa/4.jpg",
    ]
    assert "rejected 2 (1 not downloaded, 1 no top character)" in done.stderr
    for path in done.stdout.split():
        number = int(Path(path).stem)
        assert os.path.samefile(tmp_path / path, tmp_path / f"original/{number:04}/{number}.jpg")
    assert shell(line).stdout == done.stdout
    (tmp_path / "classes/b/1.jpg").unlink()
    (tmp_path / "classes/b/1.jpg").write_text("mine")
    again = shell(f"{line} --json")
    assert again.returncode == 1
    assert "original/0001/1.jpg: classes/b/1.jpg exists and is another file" in again.stderr
    assert json.loads(again.stdout.split("\n")[0])["class"] == "b"
    assert (tmp_path / "classes/b/1.jpg").read_text() == "mine"


def test_links_to_another_disk_are_symbolic(shell: Shell, tmp_path: Path) -> None:
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("no other file system")
    (tmp_path / "m.jsonl").write_bytes(lines(old(1, "b:4"), old(2, "b:4")))
    for number in (1, 2):
        (tmp_path / f"original/{number:04}").mkdir(parents=True)
        (tmp_path / f"original/{number:04}/{number}.jpg").write_text("x")
    done = shell(
        "out=$(mktemp -d /dev/shm/XXXXXX); booruselect --top-characters 1 --link $out m.jsonl;"
        " readlink $out/b/1.jpg; rm -r $out"
    )
    assert done.stdout.split()[-1] == str(tmp_path.resolve() / "original/0001/1.jpg")
    assert done.stderr.count("cannot have hard links") == 1


def test_bad_lines_are_named_and_passed_over(shell: Shell, tmp_path: Path) -> None:
    good = lines(old(1, "solo"))
    bad = {
        b'{"id": "2", "tags": [': "input data was truncated",
        b"nonsense": "JSON is malformed: invalid character",
        b"[1]": "expected `object`, got `array`",
        b'{"id": "two"}': "expected `int`, got `str` - at `$.id`",
        b'{"id": -2}': "expected `int` >= 0 - at `$.id`",
        b'{"file_ext": "png"}': "object missing required field `id`",
        b'{"id": 3, "tags": "solo"}': "its tags are not a list of names and categories",
        b'{"id": 3, "file_ext": "png"}': "it has neither tags nor tag_string",
        b'{"id": 4, "tag_string": "solo", "file_ext": "../x"}': "file_ext is not an extension",
        b'{"id": 5, "x": ' + b"[" * 5000 + b"]" * 5000 + b"}": "",
    }
    text = good + b"\n".join([*bad, b"", b""]) + good
    (tmp_path / "m.jsonl").write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    done = shell("booruselect --tag solo m.jsonl")
    assert done.returncode == 1
    assert done.stdout == "original/0001/1.jpg\n" * 2
    told = done.stderr.splitlines()
    assert len(told) == len(bad) + 1
    for number, (line, reason) in enumerate(zip(told, bad.values(), strict=False), 2):
        assert line.startswith(f"booruselect: m.jsonl: line {number}: {reason}"), line
    assert told[-1].endswith("read 12 = kept 2 + rejected 0 + passed over 0 + failed 10")


def test_other_files_are_errors_or_passed_over_in_folders(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a.jsonl").write_bytes(lines(old(1)))
    (tmp_path / "d/b.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))
    (tmp_path / "d/boxes.jsonl").write_bytes(b'{"path": "x"}\n' * 100)
    (tmp_path / "d/empty").write_bytes(b"")
    done = shell("booruselect d")
    assert (done.returncode, done.stdout) == (0, "original/0001/1.jpg\n"), done.stderr
    assert "passed over 2 (2 not metadata)" in done.stderr
    done = shell("booruselect d/b.png gone d/a.jsonl; echo d/a.jsonl | booruselect")
    assert done.stdout == "original/0001/1.jpg\n"
    assert "booruselect: d/b.png: not a booru's metadata: lines of JSON," in done.stderr
    assert "booruselect: gone: no such file or directory\n" in done.stderr
    assert "booruselect: standard input: not a booru's metadata" in done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--rating nice", "a rating is one of general, sensitive,"),
        ("--tag '1boy solo'", "--tag '1boy solo': a tag has _ for spaces; separate tags by commas"),
        ("--tag '*_hair'", "--tag '*_hair': a tag has no *; see --where for patterns"),
        ("--since yesterday", "--since: takes an id, or a date as 2018-01-31 or 2018-01"),
        ("--where 'scor > 1'", "--where: no such column: scor"),
        ("--where 'load_extension(1)'", "--where: no function load_extension"),
        (
            "--where '(select name from sqlite_master)'",
            "--where: it can use the columns of a post only",
        ),
        ("--where '1) from post; drop table post; --'", "--where: "),
        ("--link classes", "--top-characters and --link need each other"),
        ("--sample 5 --count-tags all", "--sample and --count-tags exclude each other"),
    ],
)
def test_wrong_usage_is_one_sentence(options: str, told: str, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_bytes(lines(old(1)))
    done = shell(f"booruselect {options} m.jsonl")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"booruselect: {told}")


PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_list(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "peak.py").write_text(PEAK)
    (tmp_path / "line").write_bytes(lines(old(1, *(f"tag{n}" for n in range(30)))))
    peaks = []
    for count in (10_000, 100_000):
        done = shell(
            f'yes "$(cat line)" | head -{count} |'
            f" {sys.executable} peak.py booruselect -q --no-tag x --sample 10 --ids"
        )
        assert not done.stderr
        peaks.append(int(done.stdout))
    assert peaks[1] < peaks[0] * 1.1, peaks


def test_a_closed_pipe_a_full_disk_and_ctrl_c(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_bytes(lines(*(old(n) for n in range(20_000))))
    done = shell("booruselect m.jsonl | head -1; echo ${PIPESTATUS[0]}")
    assert (done.stdout, done.stderr) == ("original/0000/0.jpg\n141\n", "")
    done = shell("booruselect m.jsonl > /dev/full")
    assert done.returncode == 2
    assert done.stderr == "booruselect: standard output: no space left on device\n"
    process = subprocess.Popen(
        [ROOT / "bin/booruselect", "--sample", "5"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    process.stdin.write((tmp_path / "m.jsonl").read_bytes())
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT
    assert Counter(process.communicate()[0]) == Counter()
