"""waifusite from outside: what is in the folder, what is kept, what is refused."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from animetools.atomic import claim
from animetools.images.described import encode_described
from animetools.site.texts import script
from tests.conftest import ROOT, Shell


def face(
    path: Path, seed: int | None = None, psi: float = 0.7, side: int = 24, **more: object
) -> None:
    """A flat picture, with what sggen says of itself if it has a seed."""
    level = (7 * (seed or 0) + round(100 * psi) + len(path.name)) % 256
    facts = {"seed": seed, "psi": psi, "network": "n.pkl", "sha256": "0", **more}
    text = "" if seed is None else json.dumps(facts)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((side, side, 3), level, np.uint8)
    path.write_bytes(encode_described(pixels, "png", 90, text))


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Five faces of seeds 0 to 4, and texts of all but the last."""
    for seed in range(5):
        face(tmp_path / f"in/{seed}.png", seed)
    (tmp_path / "texts").mkdir()
    for seed in range(4):
        (tmp_path / f"texts/snippet-{seed}.txt").write_text(f"Title {seed}|Text of {seed}.\n")
    return tmp_path


def tree(folder: Path) -> dict[str, bytes]:
    """What a site publishes: the ledger has times in it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    found = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return {name: data for name, data in found.items() if not name.startswith(".")}


def told(folder: Path, number: int) -> dict[str, object]:
    """What the pages know of a face."""
    text = (folder / f"pairs/{number // 1000}/{number}.js").read_text()
    found = re.fullmatch(rf"tell\({number},(.*)\);\n", text)
    assert found
    return json.loads(found[1])  # type: ignore[no-any-return]


def test_a_site_has_numbers_for_names_and_each_face_its_text(shell: Shell, faces: Path) -> None:
    done = shell("waifusite --snippets texts in/")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["site/scroll.html", "site/grid.html", "site/index.html"]
    assert "the site has 5 faces; 1 of the new ones have no text" in done.stderr
    site = faces / "site"
    assert told(site, 2) == {
        **{"seed": 2, "psi": 0.7, "network": "n.pkl"},
        **{"title": "Title 2", "text": "Text of 2."},
    }
    assert "text" not in told(site, 4)
    assert os.path.samefile(site / "images/0/3.png", faces / "in/3.png")
    assert json.loads((site / "manifest.json").read_text())["faces"] == 5
    with Image.open(site / "card.jpg") as card:
        assert card.size == (1200, 630)
    for name, data in tree(site).items():
        assert b"in/" not in data.replace(b"Disallow: /pairs/", b"") or name.startswith("assets")
        assert b"://" not in data


def test_the_same_input_gives_the_same_bytes_and_a_second_run_adds(
    shell: Shell, faces: Path
) -> None:
    shell("waifusite --snippets texts in/[0-2].png")
    done = shell("waifusite --snippets texts in/*.png")
    assert (done.returncode, "read 5 = kept 5" in done.stderr) == (0, True)
    shell("waifusite --snippets texts -o other in/*.png")
    assert tree(faces / "site") == tree(faces / "other")
    before = {path: path.stat() for path in (faces / "site").rglob("*") if path.is_file()}
    assert shell("waifusite --snippets texts in/*.png").returncode == 0
    after = {path: path.stat() for path in before}
    changed = [path.name for path in before if before[path] != after[path]]
    assert [name for name in changed if not name.startswith(".")] == []


def test_a_face_or_text_that_changed_is_replaced(shell: Shell, faces: Path) -> None:
    shell("waifusite --snippets texts in/")
    face(faces / "in/1.png", 9)
    (faces / "texts/snippet-4.txt").write_text("Late.")
    (faces / "texts/snippet-2.txt").unlink()
    assert shell("waifusite --snippets texts in/").returncode == 0
    site = faces / "site"
    assert [told(site, n).get("text") for n in range(5)] == [
        *("Text of 0.", None, None, "Text of 3.", "Late."),
    ]
    assert told(site, 1)["seed"] == 9
    assert (site / "images/0/1.png").read_bytes() == (faces / "in/1.png").read_bytes()


def test_texts_by_name_and_by_number(shell: Shell, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        face(tmp_path / f"in/{name}")
    (tmp_path / "t").mkdir()
    for name in ("a.png.txt", "b.txt", "snippet-2.txt"):
        (tmp_path / "t" / name).write_text(name)
    shell("waifusite --snippets t in/")
    found = [told(tmp_path / "site", n)["text"] for n in range(3)]
    assert found == ["a.png.txt", "b.txt", "snippet-2.txt"]


def test_a_slider_needs_a_seed_at_several_psi(shell: Shell, tmp_path: Path) -> None:
    for seed in (3, 4):
        face(tmp_path / f"in/{seed}-0.5.png", seed, 0.5)
    assert "site/psi.html" not in shell("waifusite in/").stdout
    face(tmp_path / "in/3-1.png", 3, 1)
    done = shell("waifusite in/")
    assert "site/psi.html" in done.stdout
    text = (tmp_path / "site/psi/0/0.js").read_text()
    assert text == 'tell(0,{"fields":["psi"],"steps":[[[0.5],0],[[1.0],2]]});\n'
    assert 'data-sets="1"' in (tmp_path / "site/psi.html").read_text()


@pytest.mark.parametrize(
    "more",
    [
        *({"translate": [0.1, 0]}, {"rotate": 30}, {"share": 0.5}, {"pictures": 2}),
        *({"tags": [["hat", "general", 1.0]]}, {"edit": "smile=2"}, {"edit": 5}, {"keep": "hat"}),
    ],
)
def test_a_slider_changes_one_thing_alone(
    shell: Shell, tmp_path: Path, more: dict[str, object]
) -> None:
    face(tmp_path / "in/a.png", 3, 0.5)
    face(tmp_path / "in/b.png", 3, 1, **more)  # type: ignore[arg-type]
    assert "site/psi.html" not in shell("waifusite in/").stdout


def strip(path: Path, edit: object, steps: str, **more: object) -> None:
    """A row of flat pictures of 8 pixels, with what sgedit says of it."""
    count = len(steps.split(","))
    facts = {"of": 3, "psi": 0.5, "network": "n.pkl", "sha256": "0", "edit": edit, "strip": steps}
    pixels = np.repeat(np.arange(count, dtype=np.uint8) * 20, 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.broadcast_to(pixels[None, :, None], (8, 8 * count, 3))
    path.write_bytes(encode_described(np.array(rows), "png", 90, json.dumps(facts | more)))


def the_set(folder: Path, number: int = 0) -> dict[str, object]:
    """What the page of sliders knows of a set."""
    text = (folder / f"psi/0/{number}.js").read_text()
    return json.loads(text.partition(",")[2][:-3])  # type: ignore[no-any-return]


def test_a_strip_is_cut_into_faces_that_sliders_lead_to(shell: Shell, tmp_path: Path) -> None:
    strip(tmp_path / "in/a.png", "smile=2", "-1,0,1.5")
    strip(tmp_path / "in/b.png", "hat=1@0-3", "0,1")
    face(tmp_path / "in/c.png", 3, 1.0)
    done = shell("waifusite in/ && waifusite in/")
    assert "the site has 6 faces" in done.stderr.splitlines()[-1]
    site = tmp_path / "site"
    assert the_set(site) == {
        "fields": ["psi", "hat@0-3", "smile"],
        "steps": [
            *([[0.5, 0, -2], 2], [[0.5, 0, 0], 1], [[0.5, 0, 3], 0], [[0.5, 1, 0], 3]),
            [[1, 0, 0], 5],
        ],
    }
    assert told(site, 0) == {"seed": 3, "psi": 0.5, "network": "n.pkl", "edit": "smile=3"}
    assert told(site, 1) == {"seed": 3, "psi": 0.5, "network": "n.pkl"}
    with Image.open(site / "images/0/0.png") as image:
        assert (image.size, image.getpixel((4, 4))) == ((8, 8), (40, 40, 40))


def test_a_strip_of_several_edits_has_one_slider(shell: Shell, tmp_path: Path) -> None:
    strip(tmp_path / "in/a.png", "smile=2,hat=-1", "-1,1")
    assert shell("waifusite in/").returncode == 0
    assert the_set(tmp_path / "site") == {
        "fields": ["smile=2,hat=-1"],
        "steps": [[[-1], 1], [[1], 0]],
    }
    assert told(tmp_path / "site", 1)["edit"] == "smile=-2,hat=1"


def test_tags_of_a_tagger_do_not_part_a_set(shell: Shell, tmp_path: Path) -> None:
    face(tmp_path / "a.png", 3, 0.5)
    face(tmp_path / "b.png", 3, 1)
    tags = [[["hat", "general", 0.9]], [["smile", "general", 0.8]]]
    lines = [json.dumps({"path": f"{n}.png", "tags": t}) for n, t in zip("ab", tags, strict=True)]
    (tmp_path / "records").write_text("\n".join(lines))
    assert "site/psi.html" in shell("waifusite < records").stdout


@pytest.mark.parametrize(
    ("edit", "more"),
    [("a", {}), ("a", {"strip": "0:1"}), ("a", {"strip": 3}), ("a", {"pictures": 2}), (",", {})],
)
def test_a_row_that_says_nothing_sound_of_itself_is_one_face(
    shell: Shell, tmp_path: Path, edit: str, more: dict[str, object]
) -> None:
    strip(tmp_path / "in/a.png", edit, "0,1,2,3", **{"strip": "0,1,2"} | more)  # 32 pixels wide
    assert "the site has 1 face" in shell("waifusite in/").stderr


def test_a_run_that_is_killed_within_a_strip_is_completed(shell: Shell, tmp_path: Path) -> None:
    strip(tmp_path / "in/a.png", "smile=1", "0,1,2")
    assert shell("waifusite in/").returncode == 0
    with sqlite3.connect(tmp_path / "site/.waifusite.sqlite") as ledger:
        ledger.execute("DELETE FROM faces WHERE number = 2")
    (tmp_path / "site/images/0/2.png").unlink()
    assert shell("waifusite in/").returncode == 0
    assert (tmp_path / "site/images/0/2.png").exists()
    assert len(the_set(tmp_path / "site")["steps"]) == 3  # type: ignore[arg-type]


def test_a_site_of_before_there_were_edits_gets_new_sliders(shell: Shell, tmp_path: Path) -> None:
    for psi in (0.5, 1):
        face(tmp_path / f"in/{psi}.png", 3, psi)
    shell("waifusite in/")
    wanted = the_set(tmp_path / "site")
    with sqlite3.connect(tmp_path / "site/.waifusite.sqlite") as ledger:
        ledger.execute("DROP TABLE edits")
    (tmp_path / "site/psi/0/0.js").write_text('tell(0,{"steps":[[0.5,0],[1.0,1]]});\n')
    for line in ("waifusite -n in/", "waifusite in/"):
        done = shell(line)
        assert (done.returncode, "the site has 2 faces" in done.stderr) == (0, True)
    assert the_set(tmp_path / "site") == wanted


def test_a_slider_goes_when_its_faces_do(shell: Shell, tmp_path: Path) -> None:
    for seed, psi in ((3, 0.5), (3, 1), (4, 0.5), (4, 1)):
        face(tmp_path / f"in/{seed}-{psi}.png", seed, psi)
    shell("waifusite in/")
    face(tmp_path / "in/3-1.png", 9, 1)
    assert "site/psi.html" in shell("waifusite in/").stdout
    assert 'data-sets="1"' in (tmp_path / "site/psi.html").read_text()
    assert the_set(tmp_path / "site")["steps"] == [[[0.5], 2], [[1], 3]]
    face(tmp_path / "in/4-1.png", 8, 1)
    assert "site/psi.html" not in shell("waifusite in/").stdout
    assert not (tmp_path / "site/psi.html").exists()
    face(tmp_path / "in/3-1.png", 3, 1)
    assert "site/psi.html" in shell("waifusite in/").stdout
    assert the_set(tmp_path / "site")["steps"] == [[[0.5], 0], [[1], 1]]


def test_a_slider_that_could_not_be_written_is_in_the_next_run(
    shell: Shell, tmp_path: Path
) -> None:
    for psi in (0.5, 1):
        face(tmp_path / f"in/{psi}.png", 3, psi)
    assert shell("waifusite in/0.5.png").returncode == 0
    (tmp_path / "site/psi").touch()  # in the way of a folder
    assert shell("waifusite in/").returncode == 2
    (tmp_path / "site/psi").unlink()
    assert shell("waifusite in/").returncode == 0
    assert the_set(tmp_path / "site")["steps"] == [[[0.5], 0], [[1], 1]]


@pytest.mark.parametrize("kind", ["jpg", "webp", "avif"])
def test_images_are_encoded_in_several_widths(shell: Shell, tmp_path: Path, kind: str) -> None:
    face(tmp_path / "in/a.png", 1, side=100)
    options = f"--format {kind} --quality 25 --widths 32,64"
    assert shell(f"waifusite {options} in/").returncode == 0
    for width in (32, 64):
        with Image.open(tmp_path / f"site/images/{width}/0/0.{kind}") as image:
            assert image.size == (width, width)
    again = shell(f"waifusite --format {kind} in/")
    assert again.returncode == 2
    assert "site was made with --quality 25, this run is with --quality 75" in again.stderr


def test_images_of_another_format_are_encoded(shell: Shell, tmp_path: Path) -> None:
    face(tmp_path / "in/a.png")
    level = np.full((24, 24, 3), 90, np.uint8)
    Image.fromarray(level).save(tmp_path / "in/b.tiff")
    assert shell("waifusite in/").returncode == 0
    with Image.open(tmp_path / "site/images/0/1.png") as image:
        assert (image.format, np.asarray(image).tolist()) == ("PNG", level.tolist())


def test_bad_input_costs_a_line_each(shell: Shell, faces: Path) -> None:
    (faces / "in/2.png").write_bytes((faces / "in/2.png").read_bytes()[:60])
    (faces / "in/x.png").write_text("<svg onload=alert(1)>")
    (faces / "in/readme.md").write_text("words")
    (faces / "texts/snippet-0.txt").write_text("a" * 100_000)
    (faces / "texts/snippet-1.txt").write_bytes(b"\xff\xfe\x00")
    done = shell("waifusite --snippets texts in/")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0].endswith("snippet-0.txt has 100,000 characters; a page holds 20,000 at most")
    assert "snippet-1.txt: not UTF-8 from byte 0 on" in lines[1]
    assert "2.png" in lines[2] and "x.png: unsupported: SVG" in lines[3]
    assert "kept 2 " in lines[4] and "passed over 1 (1 not an image by name or content)" in lines[4]
    assert json.loads((faces / "site/manifest.json").read_text())["faces"] == 2
    (faces / "texts/snippet-0.txt").write_text("short")
    shell("waifusite --snippets texts in/")
    assert told(faces / "site", 2)["text"] == "short"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("waifusite --snippets gone in/", "--snippets gone is not a folder"),
        ("waifusite -o in in/", "in has other files in it and is not a site of waifusite"),
        ("waifusite -o in/0.png/ in/", "in/0.png is not a folder"),
        ("waifusite --widths 9 in/", "--widths: a width is at least 16 pixels"),
        ("waifusite --url ftp://x in/", "--url begins with https://"),
        ("waifusite --title $'\\xff' in/", "--title is not UTF-8"),
    ],
)
def test_what_cannot_be_is_one_sentence(shell: Shell, faces: Path, line: str, reason: str) -> None:
    before = tree(faces)
    done = shell(line)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert reason in done.stderr
    assert tree(faces) == before


def test_files_of_others_stay(shell: Shell, faces: Path) -> None:
    shell("waifusite in/[01].png")
    (faces / "site/CNAME").write_text("faces.example")
    (faces / "site/images/0/2.png").write_text("mine")
    done = shell("waifusite in/")
    assert done.returncode == 2
    assert "site/images/0/2.png was not made by waifusite: move it away" in done.stderr
    (faces / "site/images/0/2.png").unlink()
    page = faces / "site/index.html"
    page.write_text("mine")
    done = shell("waifusite in/")
    assert (done.returncode, page.read_text()) == (2, "mine")
    assert "site/index.html was changed" in done.stderr
    assert shell("waifusite -f in/").returncode == 0
    assert 'data-count="5"' in page.read_text()
    assert (faces / "site/CNAME").read_text() == "faces.example"
    done = shell("find site in -type f | waifusite")
    assert "in the site already" in done.stderr
    assert json.loads((faces / "site/manifest.json").read_text())["faces"] == 5


def test_the_folder_may_be_a_link_to_one(shell: Shell, faces: Path) -> None:
    (faces / "www").mkdir()
    (faces / "site").symlink_to("www")
    done = shell("waifusite in/0.png")
    assert (done.returncode, "the site has 1 face\n" in done.stderr) == (0, True)
    assert (faces / "www/index.html").exists()


def test_one_run_at_a_time_writes_a_site(shell: Shell, faces: Path) -> None:
    lock = claim(str(faces / "site"), folder=True)
    done = shell("waifusite in/")
    os.close(lock)
    reason = "waifusite: site: another waifusite is writing it: wait for it\n"
    assert (done.returncode, done.stderr) == (2, reason)


def test_a_dry_run_writes_nothing(shell: Shell, faces: Path) -> None:
    before = tree(faces)
    done = shell("waifusite -n in/")
    assert (done.returncode, done.stdout) == (0, "site/index.html\n")
    assert tree(faces) == before


def test_a_killed_run_leaves_the_old_site_and_the_next_one_completes_it(
    shell: Shell, faces: Path
) -> None:
    shell("waifusite --snippets texts in/[01].png")
    old = tree(faces / "site")
    for seed in range(5, 400):
        face(faces / f"in/{seed}.png", seed)
    run = [str(ROOT / "bin/waifusite"), "--snippets", "texts", "in"]
    for count in (5, 150):
        process = subprocess.Popen(run, cwd=faces, stdout=subprocess.DEVNULL)
        while not (faces / f"site/pairs/0/{count}.js").exists():
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert {name: (faces / "site" / name).read_bytes() for name in old} == old
    assert shell("waifusite --snippets texts in/").returncode == 0
    shell("waifusite --snippets texts -o other in/[01].png")
    shell("waifusite --snippets texts -o other in/")
    assert tree(faces / "site") == tree(faces / "other")


def test_no_space_is_one_sentence(shell: Shell, faces: Path) -> None:
    """A limit on the size of files stands for a full disk: the card is larger than the faces."""
    done = shell("trap '' XFSZ; ulimit -f 4; waifusite in/")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1
    assert not (faces / "site/index.html").exists()
    assert shell("waifusite in/").returncode == 0


def hostile() -> Iterator[str]:
    """Texts that would end a script, a string or a line of one."""
    yield from (
        "</script><script>alert(1)</script>",
        "\u2028\u2029",
        '"});alert(1);//',
        "<!--",
        "\\",
    )


@settings(max_examples=200)
@given(st.text() | st.sampled_from(list(hostile())))
def test_no_text_ends_its_string(text: str) -> None:
    data = script(7, {"text": text})
    assert data.isascii() and b"<" not in data and data.count(b"\n") == 1
    assert json.loads(data[len("tell(7,") : -len(");\n")]) == {"text": text}
