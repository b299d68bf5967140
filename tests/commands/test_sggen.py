"""sggen from outside."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.networks.config import MappingConfig, Truncation
from animetools.networks.stylegan2 import modules as stylegan2
from animetools.networks.stylegan2.config import StyleGAN2GeneratorConfig
from animetools.sampling.render import to_pixels
from tests.conftest import ROOT, Shell, within_a_second
from tests.netfiles.goldens import tf, tf_file
from tests.quick import quick
from tests.tiny import generator, snapshot, state

MAKE = "sggen --network network.pkl"


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Network files of a few thousand numbers."""
    folder = tmp_path_factory.mktemp("networks")
    checkpoints.write(str(folder / "network.pkl"), snapshot(truncation=Truncation(0.7)))
    names = ["long_hair", "smile", "hat"]
    checkpoints.write(str(folder / "conditional.pkl"), snapshot(c_dim=3, labels=names))
    tags = snapshot(c_dim=3, labels=names, tags=True, examples=[[0, 2], [1], []])
    checkpoints.write(str(folder / "tags.pkl"), tags)
    clear = snapshot(image_channels=4)
    del clear.networks["D"]
    checkpoints.write(str(folder / "clear.pkl"), clear)
    (folder / "old.pkl").write_bytes(tf_file("s2f_32"))
    sick = snapshot()
    sick.networks["G_ema"].state["synthesis.b8.conv0.weight"][0, 0] = torch.nan
    checkpoints.write(str(folder / "sick.pkl"), sick)
    data = (folder / "network.pkl").read_bytes()
    (folder / "short.pkl").write_bytes(data[: len(data) // 2])
    (folder / "text.pkl").write_text("a text")
    np.save(folder / "narrow.npy", np.zeros((1, 7)))
    return folder


@pytest.fixture
def here(networks: Path, tmp_path: Path) -> Path:
    for path in networks.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def pixels(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(path) as image:
        return np.asarray(image)


def tree(folder: Path) -> dict[str, bytes]:
    """Every visible file below a folder."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in paths
        if not path.name.startswith(".animetools")
    }


# Pictures


def test_seeds_become_pictures_that_say_where_they_come_from(here: Path) -> None:
    done = quick(f"{MAKE} --seeds 0-2,7 --psi 0.8 --json", here)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    found = records(done.stdout)
    assert [record.pop("path") for record in found] == [
        f"images/seed000{n}.png" for n in (0, 1, 2, 7)
    ]
    built = generator()
    for record, seed in zip(found, (0, 1, 2, 7), strict=True):
        assert (record["seed"], record["psi"], record["network"]) == (seed, 0.8, "network.pkl")
        assert len(record["sha256"]) == 64
        path = here / f"images/seed000{seed}.png"
        with Image.open(path) as image:
            assert json.loads(image.info["Description"]) == record
        z = torch.tensor(np.random.RandomState(seed).randn(1, 12), dtype=torch.float32)
        plain = to_pixels(built(z, psi=0.8))[0].numpy()
        assert np.abs(pixels(path).astype(int) - plain).max() <= 1


def test_a_file_is_the_same_whatever_is_beside_it(here: Path) -> None:
    make = f"{MAKE} --seeds 0-6 --noise random"
    quick(f"{make} -o one", here)
    first = tree(here / "one")
    assert len(first) == 7
    for n, words in enumerate(
        ["--batch 1 -j 1", "--batch 2 -j 4 --unordered", "--batch 5 --seeds 6,5,4-4,0-3"]
    ):
        done = quick(f"{make} {words} -o other{n}", here)
        assert done.returncode == 0
        assert tree(here / f"other{n}") == first


def test_a_second_run_makes_nothing_and_lists_the_same(here: Path) -> None:
    first = quick(f"{MAKE} --seeds 0-3 --json", here)
    (here / "images/seed0002.png").unlink()
    second = quick(f"{MAKE} --seeds 0-3 --json --batch 3", here)
    assert second.stdout == first.stdout
    assert "kept 4 (1 written)" in second.stderr
    other = quick(f"{MAKE} --seeds 0-3 --psi 0.5", here)
    assert (other.returncode, other.stdout) == (2, "")
    assert "was made with --psi 0.7, this run is with --psi 0.5" in other.stderr


def test_old_seeds_on_an_old_network_give_the_old_pictures(here: Path) -> None:
    done = quick("sggen --network old.pkl --seeds 6600,5 --psi 0.5 --noise seed", here)
    assert done.returncode == 0, done.stderr
    wanted = tf("s2f_32")[1]["run_generator_6600_5_psi_0.5"]
    wanted = to_pixels(torch.from_numpy(wanted)).numpy()
    for path, old in zip(done.stdout.split(), wanted, strict=True):
        assert np.abs(pixels(here / path).astype(int) - old).max() <= 1


def test_several_psi_have_names_of_their_own(here: Path) -> None:
    done = quick(f"{MAKE} --seeds 3 --psi 0:1:0.5", here)
    assert done.stdout.split() == [f"images/seed0003-psi{psi}.png" for psi in ("0", "0.5", "1")]
    done = quick(f"{MAKE} --seeds 3 --psi 0.25,0.5 -n", here)
    assert done.stdout.split() == [f"images/seed0003-psi{psi}.png" for psi in ("0.25", "0.5")]
    assert not (here / "images/seed0003-psi0.25.png").exists()


def test_names_and_formats_are_free(here: Path) -> None:
    name = "'a/{seed:03}-{psi}-{index}.jpg'"
    done = quick(f"{MAKE} --seeds 8-9 --psi 0.5 --quality 80 --name {name}", here)
    assert done.stdout.split() == ["images/a/008-0.5-0.jpg", "images/a/009-0.5-1.jpg"]
    done = quick(f"{MAKE} --seeds 8 --format webp -o w", here)
    assert done.stdout.split() == ["w/seed0008.webp"]
    done = quick("sggen --network clear.pkl --seeds 8 -o c", here)
    assert done.stdout.split() == ["c/seed0008.png"]
    for path in ("images/a/008-0.5-0.jpg", "w/seed0008.webp"):
        with Image.open(here / path) as image:
            assert json.loads(image.getexif()[0x10E])["seed"] == 8
            assert image.format == ("JPEG" if path.endswith("jpg") else "WEBP")
    assert pixels(here / "c/seed0008.png").shape == (16, 16, 4)


def test_w_that_was_saved_gives_the_same_picture(here: Path) -> None:
    saved = quick(f"{MAKE} --seeds 3-4 --psi 0.6 --save-w --json", here)
    files = [record["w"] for record in records(saved.stdout)]
    assert files == ["images/seed0003.npy", "images/seed0004.npy"]
    done = quick(f"{MAKE} {' '.join(files)} -o again --json", here)
    assert done.returncode == 0, done.stderr
    first, second = records(done.stdout)
    assert first["path"] == "again/images/seed0003.npy.0.png"
    assert (first["source"], first["row"], first["psi"]) == ("images/seed0003.npy", 0, 1.0)
    for seed, record in ((3, first), (4, second)):
        assert (pixels(here / f"images/seed000{seed}.png") == pixels(here / record["path"])).all()


def test_rows_of_w_are_one_picture_or_a_question(here: Path) -> None:
    network = generator()
    square = np.zeros((network.num_ws, network.mapping.config.w_dim), np.float32)
    torch.save(torch.from_numpy(square)[None], here / "encoded.pt")
    np.save(here / "face.npy", square)
    done = quick(f"{MAKE} encoded.pt face.npy -q", here)
    assert done.returncode == 0
    assert done.stdout.split() == ["images/encoded.pt.0.png", "images/face.npy.0.png"]
    alike = MappingConfig(8, 0, 8, 1, 8)
    made = StyleGAN2GeneratorConfig(alike, (8, 8, 8))
    drawn = SavedNetwork(made, state(stylegan2.Generator(made), 0))
    checkpoints.write(str(here / "alike.pkl"), NetworkFile("animetools", {"G_ema": drawn}, {}))
    done = quick("sggen --network alike.pkl face.npy -q -o asked", here)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "face.npy: an array of shape [6, 8] is all rows" in done.stderr
    for kind, count in (("w+", 1), ("w", 6), ("z", 6)):
        done = quick(f"sggen --network alike.pkl --latents {kind} face.npy -q -o {kind}", here)
        assert (done.returncode, done.stdout.count("\n")) == (0, count)


def test_sheets_show_the_pictures_row_by_row(here: Path) -> None:
    quick(f"{MAKE} --seeds 0-9 -o single", here)
    first, last = records(quick(f"{MAKE} --seeds 0-9 --grid 3x2 --json", here).stdout)
    assert first["path"] == "images/seed0000-seed0005.png"
    assert (last["path"], last["seeds"], last["pictures"]) == (
        "images/seed0006-seed0009.png",
        "6-9",
        4,
    )
    sheet = pixels(here / last["path"])
    assert sheet.shape == (32, 48, 3)
    for n in range(4):
        row, column = divmod(n, 3)
        part = sheet[row * 16 : row * 16 + 16, column * 16 : column * 16 + 16]
        assert (part == pixels(here / f"single/seed000{6 + n}.png")).all()
    assert not sheet[16:, 16:].any()


def test_a_sheet_shows_one_psi(here: Path) -> None:
    made = records(quick(f"{MAKE} --seeds 0-4 --psi 0.5,1 --grid 2x2 --json", here).stdout)
    assert [(record["psi"], record.get("pictures", 1)) for record in made] == [
        (0.5, 4),
        (1, 4),
        (0.5, 1),
        (1, 1),
    ]


def test_a_name_never_passes_from_one_picture_to_another(here: Path) -> None:
    quick(f"{MAKE} --seeds 0 --name x", here)
    made = (here / "images/x.png").read_bytes()
    other = quick(f"{MAKE} --seeds 1 --name x", here)
    assert (other.returncode, other.stdout) == (1, "")
    assert "images/x.png was made from something else" in other.stderr
    assert (here / "images/x.png").read_bytes() == made
    again = quick(f"{MAKE} --seeds 0 --name x", here)
    assert (again.returncode, again.stdout) == (0, "images/x.png\n")
    assert quick(f"{MAKE} --seeds 1 --name x -f", here).returncode == 0
    assert (here / "images/x.png").read_bytes() != made


def test_two_pictures_of_one_name_in_one_run_are_an_error(here: Path) -> None:
    line = f"{MAKE} --seeds 1,11 --psi 0,10 --name '{{seed}}{{psi}}'"
    done = quick(line, here)
    assert done.returncode == 1
    assert sorted(done.stdout.split()) == [f"images/{n}.png" for n in ("10", "110", "1110")]
    assert "was made from something else: choose another name or -o\n" in done.stderr


def test_force_overwrites_no_picture_of_the_same_run(here: Path) -> None:
    for _ in range(2):  # the second time all names are there already
        line = f"{MAKE} --seeds 1,100-140,11 --psi 0,10 --name '{{seed}}{{psi}}' --json -f"
        done = quick(line, here)
        paths = [(record["path"], record["seed"]) for record in records(done.stdout)]
        assert done.returncode == 1
        assert [seed for path, seed in paths if path == "images/110.png"] == [1]
        assert (
            "images/110.png was made from something else: choose another name or -o\n"
            in done.stderr
        )


def test_the_best_are_kept_and_dranker_agrees(here: Path) -> None:
    done = quick(f"{MAKE} --seeds 0-9 --accept 30% --json", here)
    kept = records(done.stdout)
    quick(f"{MAKE} --seeds 0-9 -o all", here)
    ranked = quick("dranker network.pkl all", here).stdout.splitlines()
    scores = {path: float(score) for score, path in (line.split("\t") for line in ranked)}
    best = sorted(sorted(scores, key=scores.__getitem__)[-3:])
    assert [record["path"].replace("images", "all") for record in kept] == best
    for record, path in zip(kept, best, strict=True):
        assert record["score"] == pytest.approx(scores[path], abs=1e-4)
        assert (here / record["path"]).read_bytes() == (here / path).read_bytes()
    assert len(tree(here / "images")) == 3
    assert "read 10 = kept 3 (3 written) + rejected 7 (7 scored lower)" in done.stderr
    again = quick(f"{MAKE} --seeds 0-9 --accept 50% --batch 1 --grid 2x2 -n --json", here)
    assert [record.get("pictures", 1) for record in records(again.stdout)] == [4, 1]


def test_classes_by_number_name_and_chance(here: Path) -> None:
    make = "sggen --network conditional.pkl --seeds 0-7"
    quick(f"{make} --class 1 -o one", here)
    quick(f"{make} --tags smile -o two", here)
    drawn = {record["class"] for record in records(quick(f"{make} --json", here).stdout)}
    assert drawn <= {"long_hair", "smile", "hat"}
    assert len(drawn) > 1
    for n in range(8):
        one, two = (pixels(here / f"{name}/seed000{n}.png") for name in ("one", "two"))
        assert (one == two).all()
    chance = [pixels(here / f"images/seed000{n}.png") for n in range(8)]
    assert any((c != pixels(here / f"one/seed000{n}.png")).any() for n, c in enumerate(chance))


# Lists


def test_seeds_and_classes_of_records_are_drawn_again(shell: Shell, here: Path) -> None:
    make = "sggen --network conditional.pkl -q --json"
    kinds = ("", "--class hat", "--tags hat,smile")
    drawn = [quick(f"{make} --seeds 3-4 {kind} -o first{n}", here) for n, kind in enumerate(kinds)]
    sheet = quick(f"{make} --seeds 3-4 --class hat --grid 2x1 -o sheet", here).stdout
    unknown = '{"path": "x.png", "seed": 3, "class": "bird"}\n'
    (here / "list").write_text("".join(done.stdout for done in drawn) + sheet + unknown)
    done = shell(f"{make} --psi 1 --name {{index}} -o again - < list")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "its record: there is no class 'bird' among long_hair, smile, hat" in done.stderr
    again = records(done.stdout)
    assert [record["seed"] for record in again] == [3, 4] * 4
    wanted = [
        records(quick(f"{make} --seeds 3-4 --psi 1 {kind} -o wanted{n}", here).stdout)
        for n, kind in enumerate(kinds)
    ]
    for n, wanted_here in enumerate((*wanted, wanted[1])):
        for one, other in zip(again[2 * n : 2 * n + 2], wanted_here, strict=True):
            assert (pixels(here / one["path"]) == pixels(here / other["path"])).all()
            assert [one.get("class"), one.get("tags")] == [other.get("class"), other.get("tags")]
    done = shell(f"{make} --class smile -o other - < list")
    assert {record["class"] for record in records(done.stdout)} == {"smile"}


def test_a_seed_draws_the_tags_of_an_image_that_was_learned_from(shell: Shell, here: Path) -> None:
    make = "sggen --network tags.pkl --json"
    drawn = records(quick(f"{make} --seeds 0-29 -o all", here).stdout)
    found = {record["seed"]: ",".join(tag[0] for tag in record["tags"]) for record in drawn}
    assert set(found.values()) == {"long_hair,hat", "smile", ""}
    seed = next(seed for seed, tags in found.items() if tags == "long_hair,hat")
    (alone,) = records(quick(f"{make} --seeds {seed} --tags hat,long_hair -o one", here).stdout)
    assert (pixels(here / alone["path"]) == pixels(here / drawn[seed]["path"])).all()
    (here / "list").write_text(json.dumps(drawn[seed]) + "\n")
    (again,) = records(shell(f"{make} --name {{index}} -o again - < list").stdout)
    assert again["tags"] == drawn[seed]["tags"]

    (none,) = records(quick(f"{make} --seeds {seed} --tags '' -o none", here).stdout)
    (here / "list").write_text(json.dumps(none) + "\n")
    (again,) = records(shell(f"{make} --name {{index}} -o none - < list").stdout)
    assert none["tags"] == again["tags"] == []
    assert (pixels(here / again["path"]) == pixels(here / none["path"])).all()


def test_tags_are_a_query_that_each_seed_completes(shell: Shell, here: Path) -> None:
    make = "sggen --network tags.pkl --json"
    drawn = records(quick(f"{make} --seeds 0-9 --tags hat -o all", here).stdout)
    assert {",".join(tag[0] for tag in record["tags"]) for record in drawn} == {"long_hair,hat"}
    drawn = records(quick(f"{make} --seeds 0-9 --tags -hat -o without", here).stdout)
    assert {",".join(tag[0] for tag in record["tags"]) for record in drawn} == {"smile", ""}
    (here / "list").write_text("".join(json.dumps(record) + "\n" for record in drawn))
    again = records(shell(f"{make} --name {{index}} -o again - < list").stdout)
    # A sheet's record has the query, for its pictures have different tags.
    done = quick(f"{make} --seeds 0-9 --tags -hat --grid 5x2 -o sheet", here)
    (sheet,) = records(done.stdout)
    assert (sheet["query"], sheet.get("tags")) == (["-hat"], None)
    (here / "list").write_text(done.stdout)
    from_sheet = records(shell(f"{make} --name {{index}} -o third - < list").stdout)
    for one, *others in zip(drawn, again, from_sheet, strict=True):
        for other in others:
            assert one["tags"] == other["tags"]
            assert (pixels(here / one["path"]) == pixels(here / other["path"])).all()
    lines = (
        '{"path": "x.png", "seed": 3, "query": ["gone"]}',
        '{"path": "y", "seed": 4, "query": 3}',
    )
    (here / "list").write_text("\n".join(lines))
    done = shell(f"{make} -o gone - < list")
    assert (done.returncode, len(records(done.stdout))) == (1, 1)
    assert "its record: there is no class 'gone' among long_hair, smile, hat" in done.stderr


def test_a_sheet_without_classes_is_drawn_again(shell: Shell, here: Path) -> None:
    make = "sggen --network conditional.pkl --json --tags ''"
    drawn = records(quick(f"{make} --seeds 3-4", here).stdout)
    done = quick(f"{make} --seeds 3-4 --grid 2x1 -o sheet", here)
    (here / "list").write_text(done.stdout)
    again = records(shell("sggen --network conditional.pkl --json -o again - < list").stdout)
    for one, other in zip(drawn, again, strict=True):
        assert (pixels(here / one["path"]) == pixels(here / other["path"])).all()


def test_z_in_a_file_has_the_tags_that_are_asked_for_alone(here: Path) -> None:
    np.save(here / "z.npy", np.random.RandomState(3).randn(1, 12).astype(np.float32))
    make = "sggen --network tags.pkl --json --latents z z.npy"
    (record,) = records(quick(f"{make} --tags hat", here).stdout)
    assert [tag[0] for tag in record["tags"]] == ["hat"]


def test_a_dash_reads_seeds_latents_and_records(shell: Shell, here: Path) -> None:
    np.savez(here / "z.npz", np.zeros((2, 12)))
    record = json.dumps({"path": "images/seed0009.png", "seed": 9})
    done = shell(f"printf '%s\\n' 5 z.npz 7-8 gone 9-2 '{record}' | {MAKE} -")
    assert done.stdout.split() == [
        "images/seed0005.png",
        "images/z.npz.0.png",
        "images/z.npz.1.png",
        "images/seed0007.png",
        "images/seed0008.png",
        "images/seed0009.png",
    ]
    assert done.returncode == 1
    assert done.stderr.splitlines()[:2] == [
        "sggen: gone: no such file or directory",
        "sggen: 9-2: the seeds 9-2 end before they begin",
    ]


def test_a_seed_is_answered_before_the_next_is_asked(here: Path) -> None:
    process = subprocess.Popen(
        [ROOT / "bin/sggen", "--network", "network.pkl", "-"],
        cwd=here,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin
    assert process.stdout
    for seed in (b"4", b"6"):
        process.stdin.write(seed + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"images/seed000" + seed + b".png\n"
    process.communicate()


def test_without_a_dash_the_list_is_left_alone(shell: Shell, here: Path) -> None:
    done = shell(f"printf 'a\\nb\\n' | while read x; do {MAKE} --seeds 1 -o $x; done")
    assert done.stdout.split() == ["a/seed0001.png", "b/seed0001.png"]


def test_a_killed_run_is_taken_up_where_it_was(here: Path) -> None:
    process = subprocess.Popen(
        [ROOT / "bin/sggen", "--network", "network.pkl", "--seeds", "0-299", "-o", "killed"],
        cwd=here,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout
    for _ in range(20):
        process.stdout.readline()
    process.kill()
    process.communicate()
    done = quick(f"{MAKE} --seeds 0-299 -o killed", here)
    quick(f"{MAKE} --seeds 0-299 -o whole", here)
    assert done.stdout.count("\n") == 300
    assert tree(here / "killed") == tree(here / "whole")
    written = int(done.stderr.partition("(")[2].partition(" ")[0])
    assert 0 < written <= 280
    assert "still" in done.stderr
    assert "to go" in done.stderr


def test_a_signal_ends_it_within_a_second(here: Path) -> None:
    def end() -> float:
        process = subprocess.Popen(
            [ROOT / "bin/sggen", "--network", "network.pkl", "--seeds", "0-4000000000"],
            cwd=here,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout
        process.stdout.readline()
        began = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        process.communicate()
        assert process.returncode == -signal.SIGINT
        assert not list(here.glob("images/.*part"))
        return time.monotonic() - began

    assert within_a_second(end)


def test_the_shipped_network_draws_where_none_is_named(here: Path) -> None:
    done = quick("sggen --seeds 0-2 --psi 0.8", here)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("sggen: drawing with the network of animetools")
    quick("sggen --network default --seeds 0-2 --psi 0.8 -o named", here)
    assert tree(here / "images") == tree(here / "named")
    assert "animetools" not in quick("sggen --network network.pkl --seeds 0 -o a", here).stderr


# What cannot be


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--network network.pkl", "nothing to draw: give --seeds"),
        ("--network gone.pkl --seeds 0", "gone.pkl does not exist"),
        ("--network network.pkl --sha256 00 --seeds 0", "--sha256"),
        ("--network network.pkl --seeds 5-2", "the seeds 5-2 end before they begin"),
        ("--network network.pkl --seeds a-b", "not 'a-b'"),
        ("--network network.pkl --seeds -1", "-1"),
        ("--network network.pkl --seeds 0 --psi x", "--psi: 'x' is not a number"),
        ("--network network.pkl --seeds 0 --psi nan", "--psi: 'nan' is not a number"),
        ("--network network.pkl --seeds 0 --truncate z", "--truncate z needs --psi"),
        ("--network network.pkl --seeds 0 --truncate z --psi 0", "needs --psi of at least 0.01"),
        ("--network network.pkl --seeds 0 --accept 0", "--accept: '0' is neither a share"),
        ("--network network.pkl --seeds 0 --accept 500%", "--accept: '500%' is neither a share"),
        ("--network network.pkl 0-3", "for seeds give --seeds 0-3"),
        ("--network network.pkl 7", "for seeds give --seeds 7"),
        ("--network network.pkl --seeds 0 --accept 5% --psi 1,2", "--accept compares"),
        ("--network network.pkl --seeds 0-1 --name x.png", "--name needs {seed} or {index}"),
        ("--network network.pkl --seeds 0 --psi 1,2 --name x.png", "--name needs {psi}"),
        (
            "--network network.pkl --seeds 0 --name '{sed}.png'",
            "--name: unknown field in {sed}.png",
        ),
        (
            "--network network.pkl --seeds 0 --name x.jpg --format png",
            "--name ends in .jpg: --format must agree",
        ),
        (
            "--network network.pkl --seeds 0 --name {seed}.gif",
            "names a .gif file; give .png, .jpg or .webp",
        ),
        ("--network network.pkl --seeds 0 --name {seed}.MP4", "names a .MP4 file; give"),
        ("--network network.pkl --seeds 0 --class 1 --tags 2", "exclude each other"),
        ("--network network.pkl --seeds 0 --grid 0x3", "--grid: '0x3' is not columns and rows"),
        ("--network network.pkl --seeds 0 --grid 00x3", "--grid: '00x3' is not columns and rows"),
        (
            "--network network.pkl --seeds 0 --grid 5000x1",
            "5,000 pictures a sheet, more than 4,096",
        ),
    ],
)
def test_what_cannot_run_is_one_sentence(here: Path, words: str, said: str) -> None:
    done = quick(f"sggen {words}", here)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr
    assert not (here / "images").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--network text.pkl --seeds 0", "text.pkl: not a network file"),
        ("--network short.pkl --seeds 0", "short.pkl: "),
        ("--network sick.pkl --seeds 0", "sick.pkl: the tensor synthesis.b8.conv0.weight"),
        ("--network clear.pkl --seeds 0 --accept 50%", "clear.pkl: the file has no discriminator"),
        ("--network clear.pkl --seeds 0 --format jpg", "opacity, which JPEG cannot hold"),
        ("--network network.pkl --seeds 0 --class 1", "network.pkl: this network has no classes"),
        ("--network conditional.pkl --seeds 0 --tags hat,cat", "no class 'cat' among long_hair,"),
        (
            "--network old.pkl --seeds 0 --grid 1x999 --format webp",
            "a sheet of 1x999 is 32x31968 pixels; one webp file holds at most 16,383",
        ),
        ("--network network.pkl --seeds 0 --device cuda:9", "--device cuda:9: CUDA finds"),
        ("--network network.pkl --seeds 0 -o text.pkl/", "cannot make the output folder"),
        ("--network network.pkl text.pkl", "text.pkl: neither an .npy, an .npz nor a .pt file"),
        ("--network network.pkl narrow.npy", "narrow.npy: an array of shape 1x7; this network"),
    ],
)
def test_what_the_network_forbids_is_one_sentence(here: Path, words: str, said: str) -> None:
    done = quick(f"sggen -q {words}", here)
    assert done.returncode == (1 if ".np" in said else 2)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert said in done.stderr
    assert not list(here.glob("images/*.png"))
