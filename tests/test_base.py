"""Without extras, the commands work with their defaults, and name the extra that an option needs."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT, Shell, bash
from tests.tiny import snapshot

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
README = (ROOT / "README.md").read_text()
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]

# Has Python find none of the packages that only extras bring.
HIDING = """
import importlib.machinery

found = importlib.machinery.PathFinder.find_spec


def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in {hidden} else found(name, path, target)


importlib.machinery.PathFinder.find_spec = staticmethod(find_spec)
"""


def packages(requirements: list[str]) -> set[str]:
    """What they are imported as."""
    names = {re.split(r"[^\w-]", requirement)[0] for requirement in requirements}
    return {name.replace("-", "_") for name in names}


def test_the_readme_says_what_each_extra_is_for() -> None:
    rows = re.findall(
        "^\\| (`.*?`) \\|", README.partition("| extra |")[2].partition("\n\n")[0], re.M
    )
    assert sorted(re.findall(r"\w+", " ".join(rows))) == sorted(set(EXTRAS) - {"dev"})


@pytest.fixture(scope="session")
def hiding(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder for PYTHONPATH that hides what extras install."""
    extras = packages([name for names in EXTRAS.values() for name in names])
    hidden = (extras | {"openai"}) - packages([*PROJECT["dependencies"], "animetools"])
    folder = tmp_path_factory.mktemp("hiding")
    (folder / "sitecustomize.py").write_text(HIDING.format(hidden=sorted(hidden)))
    names = ["transformers", "onnxruntime", "tensorboard", "httpx2", "pytest"]
    find = f"from importlib.util import find_spec; print(*map(find_spec, {names}))"
    done = bash(f'PYTHONPATH={folder} {ROOT}/.venv/bin/python -c "{find}"', folder)
    assert done.stdout.split() == ["None"] * len(names), done.stderr
    return str(folder)


@pytest.fixture
def base(shell: Shell, hiding: str, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in which no extra is installed."""
    monkeypatch.setenv("PYTHONPATH", hiding)
    return shell


def test_the_commands_work_by_their_defaults(base: Shell, tmp_path: Path) -> None:
    line = "animedraw --count 1 --portraits 256 | animecrop | animeclean | animeupscale"
    done = base(f"{line} | animepack --size 16 -o packed")
    assert (done.returncode, done.stdout) == (0, "packed\n"), done.stderr
    tiny = "--preset tiny --channel-base 64 --channel-max 8 --batch 4 --kimg 0.004"
    done = base(f"sgtrain {tiny} packed")
    network = done.stdout.rstrip("\n")
    assert (done.returncode, network) == (0, "results/00000-packed-tiny/snapshot-000000.004.pkl")
    done = base(f"dranker {network} packed")
    assert (done.returncode, done.stdout.count("\t")) == (0, 1), done.stderr
    done = base("sggen --seeds 0")
    assert (done.returncode, done.stdout) == (0, "images/seed0000.png\n"), done.stderr
    done = base("gptsnip --seeds 0")
    assert (done.returncode, done.stdout) == (0, "snippets/snippet-0.txt\n"), done.stderr


@pytest.mark.parametrize(
    ("line", "cure"),
    [
        ("animeupscale --model a.onnx a.png", "pip install 'animetools[upscale]'"),
        ("animetag --model a.onnx a.png", "pip install 'animetools[tag]'"),
        ("animenear --embedding e.onnx . .", "pip install 'animetools[near]'"),
        (
            "gptsnip --seeds 0 --api http://127.0.0.1:9/v1/completions --api-model a",
            "pip install 'animetools[text]'",
        ),
        ("gptsnip --seeds 0 --model llama", "needs transformers: pip install 'animetools[text]'"),
        ("gpttrain a.txt", "pip install 'animetools[text]'"),
        ("sgconvert a.pkl a.onnx", "pip install 'animetools[onnx]'"),
        ("sgvideo walk --seconds 0.1", "films need PyAV: pip install 'animetools[video]'"),
    ],
)
def test_what_an_extra_brings_is_named(base: Shell, tmp_path: Path, line: str, cure: str) -> None:
    from animetools.netfiles import checkpoints

    (tmp_path / "llama").mkdir()
    (tmp_path / "llama/config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "llama/model.safetensors").write_bytes(b"")
    (tmp_path / "tags.txt").write_text("solo\n")
    (tmp_path / "e.onnx").write_bytes(b"")
    checkpoints.write(str(tmp_path / "a.pkl"), snapshot())
    done = base(line)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert cure in done.stderr
