"""sgblend, as a user runs it."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from animetools.netfiles import checkpoints
from tests import tiny
from tests.quick import quick


@pytest.fixture
def networks(tmp_path: Path) -> Path:
    """a.pkl and b.pkl in a folder."""
    for seed, name in enumerate("ab"):
        checkpoints.write(str(tmp_path / f"{name}.pkl"), tiny.snapshot(seed=seed))
    return tmp_path


def test_an_average_says_its_parents_and_draws(networks: Path) -> None:
    done = quick("sgblend a.pkl b.pkl --weights 1,3 -o made/c.safetensors", networks)
    assert (done.returncode, done.stdout) == (0, "made/c.safetensors\n"), done.stderr
    made = checkpoints.read(str(networks / "made/c.safetensors"))
    digests = [hashlib.sha256((networks / f"{name}.pkl").read_bytes()).hexdigest() for name in "ab"]
    assert made.facts == {
        "parents": [
            {"network": f"{name}.pkl", "sha256": digest}
            for name, digest in zip("ab", digests, strict=True)
        ],
        "weights": [0.25, 0.75],
    }
    parents = [checkpoints.read(str(networks / f"{name}.pkl")).generator for name in "ab"]
    key = "synthesis.b8.conv1.weight"
    wanted = parents[0].state[key].lerp(parents[1].state[key], 0.75)
    torch.testing.assert_close(made.generator.state[key], wanted)
    drawn = quick("sggen --network made/c.safetensors --seeds 1", networks)
    assert drawn.stdout == "images/seed0001.png\n", drawn.stderr


def test_a_swap_takes_the_firsts_mapping_and_the_seconds_discriminator(networks: Path) -> None:
    for options, mapping, judge in (("", "a", "b"), ("--mapping 2 --discriminator 1", "b", "a")):
        done = quick(f"sgblend a.pkl b.pkl --swap 8 --json -f {options}", networks)
        assert json.loads(done.stdout)["swap"] == 8, done.stderr
        made = checkpoints.read(str(networks / "blended.pkl"))
        assert (made.facts["swap"], made.facts["soft"]) == (8, 0)
        source = checkpoints.read(str(networks / f"{mapping}.pkl"))
        assert torch.equal(
            made.generator.state["mapping.w_avg"], source.generator.state["mapping.w_avg"]
        )
        source = checkpoints.read(str(networks / f"{judge}.pkl"))
        assert torch.equal(
            made.discriminator.state["b4.out.bias"], source.discriminator.state["b4.out.bias"]
        )


def test_nothing_is_overwritten_and_a_dry_run_writes_nothing(networks: Path) -> None:
    done = quick("sgblend a.pkl b.pkl -o b.pkl", networks)
    assert done.stderr == "sgblend: --out b.pkl exists: -f overwrites it\n"
    assert done.returncode == 2
    done = quick("sgblend a.pkl b.pkl -n", networks)
    assert (done.returncode, done.stdout) == (0, "blended.pkl\n")
    assert sorted(path.name for path in networks.iterdir()) == ["a.pkl", "b.pkl"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("a.pkl", "name two networks or more: sgblend A.pkl B.pkl -o C.pkl"),
        ("a.pkl b.pkl -o c.onnx", "--out c.onnx does not end in .pkl, .safetensors or .pt"),
        ("a.pkl b.pkl --weights 1,x", "--weights: '1,x' is not a list of numbers, such as 0.3,0.7"),
        ("a.pkl b.pkl --weights 1,-1", "--weights: '1,-1' adds up to 0"),
        (
            "a.pkl b.pkl --weights 1,nan",
            "--weights: '1,nan' is not a list of numbers, such as 0.3,0.7",
        ),
        ("a.pkl b.pkl --weights 1,1,1", "3 --weights for 2 networks"),
        ("a.pkl b.pkl --weights 1,1 --swap 8", "--weights are for averages, not for --swap"),
        ("a.pkl b.pkl --soft 1", "--soft is for --swap"),
        ("a.pkl b.pkl a.pkl --swap 8", "--swap is for two networks, not 3"),
        ("a.pkl b.pkl --mapping 3", "--mapping 3: there are 2 networks"),
        ("a.pkl b.pkl --mapping none", "--mapping: a generator needs one: give a number, or blend"),
        (
            "a.pkl b.pkl --mapping mine",
            "--mapping: 'mine' is neither the number of a network nor blend or none",
        ),
        ("a.pkl gone.pkl", "gone.pkl does not exist; name a network file, its URL, or latest"),
    ],
)
def test_what_cannot_be_is_one_sentence(networks: Path, line: str, sentence: str) -> None:
    done = quick(f"sgblend {line}", networks)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"sgblend: {sentence}")
    assert sorted(path.name for path in networks.iterdir()) == ["a.pkl", "b.pkl"]


def test_networks_that_differ_are_named(networks: Path) -> None:
    checkpoints.write(str(networks / "c.pkl"), tiny.snapshot(image_channels=1))
    done = quick("sgblend a.pkl c.pkl -o d.pkl", networks)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == (
        "sgblend: d.pkl: the generator of c.pkl has image_channels 1, not 3 as that of a.pkl"
    )


def test_a_file_that_holds_no_generator_is_named(networks: Path) -> None:
    (networks / "c.pkl").write_text("a text")
    parent = tiny.snapshot()
    judge = replace(parent, networks={"D": parent.discriminator})
    checkpoints.write(str(networks / "d.pkl"), judge)
    for name, why in (("c", "not a network file: neither"), ("d", "the file has no generator")):
        done = quick(f"sgblend a.pkl {name}.pkl -o e.pkl", networks)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"sgblend: e.pkl: {name}.pkl: {why}")


def test_a_discriminator_that_was_asked_for_is_not_left_out(networks: Path) -> None:
    parent = tiny.snapshot()
    bare = replace(parent, networks={"G_ema": parent.generator})
    checkpoints.write(str(networks / "c.pkl"), bare)
    for chosen in ("2", "blend"):
        done = quick(f"sgblend a.pkl c.pkl --discriminator {chosen} -o d.pkl", networks)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"sgblend: --discriminator {chosen}: c.pkl has no discriminator\n"
    done = quick("sgblend a.pkl c.pkl -o d.pkl", networks)
    assert done.stdout == "d.pkl\n"
    assert "the result has no discriminator, since c.pkl has none" in done.stderr
