"""Every example of README.md, docs/recipes.md, docs/cluster.md, the man pages and examples/ does what it says."""

import json
import os
import re
import shutil
import signal
import zipfile
from pathlib import Path

import pytest

from animetools.dataset.training_set import Images
from animetools.editing.available import SHIPPED as DIRECTIONS
from animetools.editing.directions import read
from animetools.errors import FatalError
from animetools.netfiles import checkpoints
from animetools.site.engine import engine
from animetools.text.models.loading import SHIPPED
from tests.conftest import REAL, ROOT, Shell, bash
from tests.images.yolos import write_yolo
from tests.netfiles import sg3
from tests.pages import commands
from tests.tagging.taggers import write_wd
from tests.tiny import snapshot

PYTHON = ROOT / ".venv/bin/python"
CASCADE = REAL.parent / "lbpcascade_animeface.xml"


def written_examples() -> list[str]:
    """The lines in the documents' sh blocks, without scripts of examples/, which have tests below."""
    text = "".join(
        (ROOT / name).read_text() for name in ("README.md", "docs/recipes.md", "docs/cluster.md")
    )
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.M | re.S)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if not line.startswith("./")]


EXAMPLES = written_examples() + [line for command in commands() for line in command.examples]


@pytest.fixture(scope="session")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What examples begin with: raw/, a few drawn pictures, and the faces/ in them."""
    folder = tmp_path_factory.mktemp("before")
    done = bash("animedraw --count 2 --portraits 256 && find raw/ | animecrop", folder)
    assert done.returncode == 0, done.stderr
    assert len(list(folder.glob("faces/**/*.png"))) == 2
    return folder


@pytest.fixture(scope="session")
def snippets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What examples with gptclean begin with: the snippets/ of seeds 0 to 9, with their journal."""
    folder = tmp_path_factory.mktemp("texts")
    done = bash("gptsnip --seeds 0-9", folder)
    assert (done.returncode, done.stdout.count("\n")) == (0, 10), done.stderr
    return folder / "snippets"


@pytest.mark.parametrize("line", list(dict.fromkeys(EXAMPLES)))
def test_example(
    shell: Shell, before: Path, tmp_path: Path, line: str, request: pytest.FixtureRequest
) -> None:
    if "--live" in line:
        try:
            engine()
        except FatalError as why:
            pytest.skip(str(why))
    if "gptclean" in line:
        shutil.copytree(request.getfixturevalue("snippets"), tmp_path / "snippets")
    if not line.startswith("animedraw"):
        shutil.copytree(before / "raw", tmp_path / "raw")
    if "faces" in line and "animecrop" not in line:
        shutil.copytree(before / "faces", tmp_path / "faces")
    if "tagged.zip" in line and "animepack" not in line:
        make = "animedraw --count 4 --portraits 64 --json -o drawn"
        done = shell(f"{make} | animepack --labels tags --size 16 -o tagged.zip")
        assert done.returncode == 0, done.stderr
    elif re.search(r"sgtrain|(animepack|animenear.*) dataset\.zip|shards/\*\.tar", line):
        assert shell("animepack --size 16 raw/").returncode == 0
    if "shards/*.tar" in line:
        assert shell("animepack dataset.zip --format webdataset -o shards").returncode == 0
    if "corpus.txt" in line:
        assert (
            shell(f"{PYTHON} {ROOT}/examples/synopses.py --count 99 > corpus.txt").returncode == 0
        )
    if "kept.txt" in line and "> kept.txt" not in line:
        assert shell("find faces/ | animeclean > kept.txt").returncode == 0
    if "archive.sqlite" in line:
        assert shell("animeclean --index archive.sqlite raw/").returncode == 0
    if "different.tsv" in line:
        shell("find faces -name '*.png' | paste -s > different.tsv")
    for network in re.findall(r"[\w-]+\.(?:pkl|pt|safetensors(?= ))\b|latest|\*\.pkl", line):
        path = {"latest": "results/00000/snapshot-000001.pkl", "*.pkl": "one.pkl"}.get(
            network, network
        )
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        made = snapshot()
        if network == "tagged.pkl":
            made = snapshot(c_dim=2, labels=["long_hair", "smile"])
        checkpoints.write(str(tmp_path / path), made)
        if network == "stylegan3.pkl":
            (tmp_path / path).write_bytes(sg3.path("m32").read_bytes())
    if "results/00000-faces" in line:
        (tmp_path / "results/00000-faces").mkdir(parents=True)
        checkpoints.write(str(tmp_path / "results/00000-faces/snapshot-000001.pkl"), snapshot())
    if "--encoder encoder/" in line:
        done = shell("sgproject --train-encoder --network network.pkl --kimg 0.1 -o encoder")
        assert done.returncode == 0, done.stderr
    if "wd/model.onnx" in line:
        write_wd(tmp_path / "wd")
    if "person.onnx" in line:
        write_yolo(tmp_path / "person.onnx")
    if "find images" in line or "images/*" in line or "animenear" in line:
        assert shell("sggen --seeds 0-3").returncode == 0
    line = line.replace("0-50000", "0-4")  # the same in a second
    done = shell(line)
    if "| head" in line and done.returncode == 128 + signal.SIGPIPE:  # head may end first
        return
    assert done.returncode == (1 if "--flaws" in line else 0), done.stderr
    assert "Traceback" not in done.stderr


def test_the_article_step_by_step(shell: Shell) -> None:
    if not CASCADE.exists():
        pytest.skip("no cascade without the network")
    assert shell("animedraw --count 2 --portraits 450").returncode == 0
    done = shell(f"{ROOT}/examples/article.sh raw --cascade {CASCADE}")
    assert (done.returncode, done.stdout) == (0, "dataset.zip\n"), done.stderr


def test_quickstart(shell: Shell, tmp_path: Path) -> None:
    done = shell(f"{ROOT}/examples/quickstart.sh {tmp_path}/q")
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    assert "dataset.zip" in printed
    with zipfile.ZipFile(tmp_path / "q/dataset.zip") as made:
        assert len([name for name in made.namelist() if name.endswith(".png")]) > 20
    assert (tmp_path / "q/sheet.jpg").stat().st_size > 10_000
    again = shell("cd q && dranker model.pkl images/*")
    assert (again.returncode, again.stdout.splitlines()) == (0, printed[-36:])


FAST = "--preset tiny --batch 4 -j 1"


def test_an_encoder_from_nothing(shell: Shell, tmp_path: Path) -> None:
    done = shell(f"{ROOT}/examples/train-encoder.sh d 0.1")
    assert (done.returncode, done.stdout) == (0, "d/encoder.safetensors\n"), done.stderr
    assert (tmp_path / "d/encoder.safetensors").stat().st_size < 3_000_000


def test_directions_from_nothing(shell: Shell, tmp_path: Path) -> None:
    done = shell(f"{ROOT}/examples/train-directions.sh d.npz")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("tags.npz\nd.npz\n")
    made, ships = (read(path).found for path in (str(tmp_path / "d.npz"), DIRECTIONS))
    assert [each.name for each in made] == [each.name for each in ships]
    for one, other in zip(made, ships, strict=True):
        assert abs(one.vector @ other.vector) > 0.99


def test_rounds_of_bootstrapping(shell: Shell, before: Path, tmp_path: Path) -> None:
    checkpoints.write(str(tmp_path / "small.pkl"), snapshot())
    script = f"{ROOT}/examples/bootstrap.sh {before}/faces small.pkl"
    first = shell(f"{script} 1 10 0.008 {FAST}")
    assert first.returncode == 0, first.stderr
    both = shell(f"{script} 2 10 0.008 {FAST}")
    assert both.returncode == 0, both.stderr
    assert both.stdout.startswith(first.stdout)
    for number, path in enumerate(both.stdout.split(), 1):
        assert path.startswith(f"bootstrap/{number}/results/00000-")
        made = checkpoints.read(str(tmp_path / path))
        assert made.facts["images"] == 2 + number  # the faces, and the best of each round
        assert made.facts["kimg"] == 0.008


def test_a_rare_attribute(shell: Shell, before: Path, tmp_path: Path) -> None:
    checkpoints.write(str(tmp_path / "small.pkl"), snapshot())
    tag = one_has(before / "raw/metadata.jsonl")
    done = shell(
        f"{ROOT}/examples/rare-attribute.sh {tag} {before}/raw/metadata.jsonl small.pkl 1 4 0.008 {FAST}"
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        f"before: [0-4] of 4 samples have {tag}\nafter: [0-4] of 4 samples have {tag}\n"
        "edited: too few samples to learn from.*\n",
        done.stdout,
    )
    with zipfile.ZipFile(tmp_path / tag / "data.zip") as made:
        assert len([name for name in made.namelist() if name.endswith(".png")]) == 2


def test_people_in_another_style(shell: Shell, before: Path, tmp_path: Path) -> None:
    tags = snapshot(c_dim=2, labels=["hat", "smile"], tags=True, examples=[[0], [1], []])
    checkpoints.write(str(tmp_path / "small.pkl"), tags)
    done = shell(f"{ROOT}/examples/toonify.sh {before}/faces small.pkl 0.008 {FAST}")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "toonify/drawn.zip") as made:
        rows = len([name for name in made.namelist() if name.endswith(".png")]) // 10
    assert rows == 2 + len([*(tmp_path / "toonify").glob("*.pkl")])
    assert (tmp_path / "toonify/sheet.jpg").exists()


def one_has(metadata: Path) -> str:
    """A tag that one of two pictures has, and the other does not."""
    records = [json.loads(line) for line in metadata.read_text().splitlines()]
    one, other = ({tag["name"] for tag in record["tags"]} for record in records)
    return str(min(tag for tag in one - other if tag.isalpha()))


def test_a_network_of_faces_from_nothing(shell: Shell, tmp_path: Path) -> None:
    cascade = f"--cascade {CASCADE}" if CASCADE.exists() else ""
    done = shell(f"{ROOT}/examples/train-default.sh d 4 0.001 {cascade}")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "d/former.pkl").stat().st_size < 12_000_000


SGTRAIN = """#!/bin/bash
name=${*: -1:1} folder=results/0-${name%.zip}-ada
mkdir -p "$folder"
touch "$folder/snapshot-1.pkl"
echo "$@" >> trained.txt
[ ! -e fail ] || { rm fail; exit 1; }
"""


def test_the_next_network_begins_small_and_continues(shell: Shell, tmp_path: Path) -> None:
    for name in ("examples", "bin", "d"):
        (tmp_path / name).mkdir()
    script = tmp_path / "examples/train-next.sh"
    script.write_bytes((ROOT / "examples/train-next.sh").read_bytes())
    for name in ("animedraw", "booruselect", "animepack"):
        (tmp_path / "bin" / name).symlink_to(ROOT / "bin" / name)
    for name, text in {
        "bin/sgtrain": SGTRAIN,
        "bin/sgconvert": "#!/bin/sh\n",
        "setup": "#!/bin/sh\n",
    }.items():
        (tmp_path / name).write_text(text)
    for path in (script, *(tmp_path / name for name in ("bin/sgtrain", "bin/sgconvert", "setup"))):
        path.chmod(0o755)
    (tmp_path / "d/fail").touch()
    done = shell("examples/train-next.sh d 40 300 600")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in (tmp_path / "d/trained.txt").read_text().splitlines()]
    assert [line[-3:] for line in lines] == [
        ["--transfer", "default", "faces64.zip"],
        ["--resume", "latest", "faces64.zip"],
        ["--transfer", "results/0-faces64-ada/snapshot-1.pkl", "faces128.zip"],
    ]
    assert [line[line.index("--kimg") + 1] for line in lines] == ["300", "300", "600"]
    images = Images(str(tmp_path / "d/faces128.zip"), conditional=True)
    has = [
        {images.label_names[n] for n in row.nonzero()[0]}
        for row in images.labels(range(len(images)))
    ]
    assert len(has) == 36  # of 40: the others have a pair that is held out
    assert not any(
        {"green_hair", "hat"} <= tags or {"pink_hair", "glasses"} <= tags for tags in has
    )


def test_a_stylegan_3_from_nothing(shell: Shell, tmp_path: Path) -> None:
    done = shell(f"{ROOT}/examples/train-stylegan3.sh d 8 0.008 0.1")
    assert done.returncode == 0, done.stderr
    for config in "tr":
        assert (tmp_path / f"d/{config}.pkl").is_file()
        assert (tmp_path / f"d/{config}-samples/seed0000-seed0031.png").is_file()
        films = {path.name for path in (tmp_path / f"d/{config}-films").glob("*.mp4")}
        assert films == {"turn-0-3.mp4", "drift-0-3.mp4"}


@pytest.mark.slow
def test_slurm_starts_torchrun_on_each_machine(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    for name, script in {"scontrol": "echo a; echo b", "srun": 'printf "%s\n" "$@"'}.items():
        (tmp_path / "cluster" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "cluster" / name).chmod(0o755)
    facts = "SLURM_JOB_ID=20007 SLURM_JOB_NODELIST=[a-b] SLURM_JOB_NUM_NODES=2 SLURM_GPUS_ON_NODE=8"
    facts += f" SLURM_CPUS_PER_TASK=32 ANIMETOOLS={ROOT} PATH=$PWD/cluster:$PATH"
    done = shell(f"{facts} {ROOT}/examples/slurm-train.sh d.zip --preset s2")
    assert (done.returncode, done.stderr) == (0, "")
    words = done.stdout.splitlines()
    assert words[-6:] == [f"{ROOT}/bin/sgtrain", *["--resume", "latest", "d.zip", "--preset", "s2"]]
    assert {"--nnodes=2", "--nproc-per-node=8", "--rdzv-endpoint=a:20007"} < set(words)
    assert all(Path(word).is_file() for word in words if word.startswith("/"))


def test_a_line_on_a_cluster(shell: Shell, before: Path) -> None:
    script = f"WORKERS=1 {ROOT}/examples/cluster/with-cluster.sh"
    line = f"find {before}/faces -type f | sort | animeclean --cluster $CLUSTER"
    done = shell(f"{script} -- '{line}; exit 3'")
    assert done.returncode == 3, done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert shell("pgrep -f 'dask worker tcp.*--death-timeout 60'").stdout == ""
    assert shell(f"{script} {line}").returncode == 2


def test_slurm_runs_a_line_on_a_cluster(shell: Shell, before: Path, tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    srun = 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"'
    for name, script in {"srun": srun, "scontrol": 'echo "$@"'}.items():
        (tmp_path / "cluster" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "cluster" / name).chmod(0o755)
    facts = f"SLURM_JOB_ID=7 SLURM_CPUS_PER_TASK=1 ANIMETOOLS={ROOT} PATH=$PWD/cluster:$PATH"
    # Slurm's signal comes while the line runs.
    line = f"find {before}/faces -type f | animeclean --cluster $CLUSTER && kill -USR1 $PPID && sleep 9"
    done = shell(f"{facts} {ROOT}/examples/cluster/slurm.sh '{line}'")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
    assert done.stdout.endswith("requeue 7\n")


def test_the_default_language_model_from_nothing(shell: Shell, tmp_path: Path) -> None:
    done = shell(f"{ROOT}/examples/train-text.sh d 100 2")
    assert (done.returncode, done.stdout) == (0, "run/snapshot-000002\n"), done.stderr
    made = sorted((tmp_path / "d/default").iterdir())
    assert [path.name for path in made] == sorted(os.listdir(SHIPPED))
    assert sum(path.stat().st_size for path in made) < 8_000_000
    again = shell("cd d && gptsnip --model default/ --seeds 0 --max-tokens 20")
    assert again.returncode == 0, again.stderr
