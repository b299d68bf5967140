"""man/animetools.7 and CONTRIBUTING.md, written by hand, say what the code does."""

import json
import re
import signal
from pathlib import Path

from PIL import Image

from animetools import cli
from animetools.images import nvxs
from animetools.netfiles import checkpoints
from tests.commands.test_animecrop import picture
from tests.conftest import ROOT, Shell
from tests.images.cascades import old_form
from tests.netfiles import sg3
from tests.pages import commands
from tests.quick import quick
from tests.test_rooms import ALLOWED
from tests.tiny import snapshot

PAGE = (ROOT / "man/animetools.7").read_text()
EXITS = {"0", "1", "2", str(128 + signal.SIGINT), str(128 + signal.SIGPIPE)}


def terms(section: str) -> set[str]:
    """The words in bold that a section of the page explains."""
    (text,) = re.findall(rf"^\.SH {section}\n(.*?)(?=^\.SH|\Z)", PAGE, re.M | re.S)
    heads = re.findall(r"^\.TP\n(.*)", text, re.M)
    return {word for head in heads for word in re.findall(r"\\fB(.*?)\\fR", head)}


def test_every_command_is_named() -> None:
    named = re.findall(r"^\.BR (\w+) \(1\)", PAGE.partition(".SH SEE ALSO")[2], re.M)
    assert named == sorted(command.name for command in commands())


def test_the_statuses_are_those_that_tests_of_the_engine_find() -> None:
    assert terms("EXIT STATUS") == EXITS


def test_the_fields_are_those_that_commands_print(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "squares.xml").write_text(old_form())
    square = Image.new("RGB", (900, 900), "black")
    square.paste("white", (375, 375, 525, 525))
    square.save(tmp_path / "it.png")
    picture((240, 100)).save(tmp_path / "face.png")
    checkpoints.write(str(tmp_path / "c.pkl"), snapshot(c_dim=3, labels=["a", "b", "c"]))
    lbp = "--detector lbp --cascade squares.xml"
    shell("animedraw --count 1 --portraits 64 --json > draw.json")
    shell("booruselect --json raw/metadata.jsonl > select.json")
    shell(
        f"animecrop {lbp} --json it.png | animeclean --min-colors 1 --keep-grey --json > clean.json"
    )
    shell(
        "cp it.png it2.png; animeclean it*.png --groups --min-colors 1 --keep-grey --json > groups.json"
    )
    pack = "animepack --size 16 --captions -o packed --metadata texts - < clean.json"
    (tmp_path / "texts").write_text('{"it.png.0": {"caption": "a square"}}')
    shell(f"{pack}; cp packed/sources.jsonl pack.json")
    shell(
        "animepack --size 16 --class-by folder -o a.zip raw; animepack a.zip --format tfrecords -o t"
    )
    shell("cp t/metadata.jsonl kept.json")
    lines = [
        "animeaug --only red --mirror --json it.png",
        "animenear --by hash --json raw it.png",
        "sggen --network c.pkl --seeds 1 --class a --cutoff 2 --save-w --json",
        f"sggen --network {sg3.path('m32')} --seeds 0 --rotate 9 --translate 1,0 -o moved --json",
        "sggen --network c.pkl --seeds 2 --tags a,b:0.5 --json",
        "sggen --network c.pkl --seeds 0-3 --tags a --grid 2x2 --json",
        "sggen --network c.pkl --json -o again images/seed0001.npy",
        "sgfig mixing --network c.pkl --json -q",
        "sgfig classes --network c.pkl --tags a --json -q",
        "sgfig noise --network c.pkl --count 2 --json -q",
        "sgfig training c.pkl --json -q",
        "sgvideo between 1 2 --network c.pkl --seconds 0.1 --frames f --json",
        "sgproject --network c.pkl --steps 2 --json images/seed0001.png",
        "sggen --network c.pkl --seeds 0-4 -o with",
        "sggen --network c.pkl --seeds 5-9 -o without",
        "sgedit --network c.pkl --learn d.npz --positive with --negative without --json",
        "sgedit --network c.pkl --learn s.npz --sefa 2",
        "sgedit --network c.pkl --seeds 1 --directions s.npz --edit sefa0 --keep sefa1 --strip 0,1 --json",
        "dranker c.pkl --class a --json images/seed0001.png",
        "sgblend c.pkl c.pkl --json",
        "gptsnip --seeds 0 --json",
    ]
    printed = "".join(quick(line, tmp_path).stdout for line in lines)
    printed += "".join(path.read_text() for path in tmp_path.glob("*.json"))
    fields = {
        field for line in printed.splitlines() if line[0] == "{" for field in json.loads(line)
    }
    if nvxs.is_installed():
        done = shell("animecrop --detector nvxs --align --json face.png")
        fields |= json.loads(done.stdout).keys()
    else:
        fields |= {"landmarks", "degrees"}
    beside = {"seconds", "weights"}  # an option of sgvideo, and what is explained beside parents
    assert fields - beside == terms("RECORDS")


def test_contributing_names_the_rooms_and_what_a_command_needs() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rooms, _, rest = text.partition("## A new command")
    words = re.findall(r"`([\w./ ]+)`", " ".join(re.findall(r"^\| (.*?) \|", rooms, re.M)))
    named = {word.strip("/").removesuffix(".py") for words_ in words for word in words_.split()}
    assert named - {"animetools"} == {*ALLOWED, "commands"}
    assert set(re.findall(r"^\| `(\w+)` \|", rest, re.M)) <= set(cli.__all__)
