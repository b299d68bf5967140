"""Whether two checkouts give the same bytes, and whether the later one goes on in the earlier's folders.

    python tests/benchmarks/same.py BEFORE AFTER

Runs the same lines in both, in folders of their own, with the Python that runs this script, and
compares what was printed and every file that was written: crops, packs, pictures, scores, snippets;
of snapshots and language models the tensors. Then it runs AFTER's lines once more in BEFORE's
folders, where nothing may be written anew. Takes about ten minutes on two cores.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

LINES = {
    "drawn": "animedraw --count 24 --seed 3 --flaws 0.2 -o raw",
    "crops": "find raw/original -type f | sort | animecrop -o faces",
    "portraits": "animecrop --portrait --format jpg --quality 90 -o portraits raw/original",
    "aligned": "animecrop --align --border reflect --sidecars -o aligned raw/original",
    "facts": "animecrop -n --json --min-size 64 raw/original",
    "kept": "animeclean -n --json raw/original; animeclean --keep largest faces raw/original",
    "enlarged": "animeupscale -o up $(find faces -name '*.png' | sort | head -3)",
    "photos": "animeupscale --model photo --below 2048 -o photos $(find faces -name '*.png' | sort | head -1)",
    "pack": "animepack --size 32 -o set.zip faces",
    "folder": "animepack --size 64 --fit cover --quality 90 -o set faces portraits",
    "pictures": "sggen --seeds 0-7 --psi 0.5,0.8 -o pictures",
    "kept w": "sggen --seeds 5 --save-w -o w && sggen -o again w/seed0005.png.npy w/*.npy",
    "sheet": "sggen --seeds 0-11 --grid 3x2 --format jpg -o sheets",
    "accepted": "sggen --seeds 0-9 --accept 30% --json -o accepted",
    "scores": "dranker {network} pictures/*.png; dranker {network} --best 3 pictures/*.png",
    "ranked": "dranker {network} --sheet sheet.png pictures/*.png",
    "network": "sgconvert {network} copy.safetensors; sgconvert --info {network}",
    "snapshot": "sgtrain --preset tiny --kimg 0.064 --channel-max 16 --batch 16 --seed 5 -o run set.zip",
    "snippets": "gptsnip --seeds 0-4 -o snippets; gptsnip --seeds 0-1 --dtype int8 -o int8",
    "prompted": "printf 'A girl\\nTwo boys\\n' > p; gptsnip --prompt-file p --max-tokens 40 -o prompted",
    "judged": "gptsnip --dedupe snippets/*.txt int8/*.txt; gptsnip --rank default snippets/*.txt",
    "model": "gpttrain --from-scratch --size tiny --steps 4 --batch 2 --context 32 -o model corpus.txt",
}  # fmt: skip
CHANGING = {"log.txt", "run.json", "metrics.jsonl"}  # they hold times
TENSORS = (".safetensors", ".pkl")
COMMANDS = [
    "animeclean",
    "animecrop",
    "animedraw",
    "animepack",
    "animeupscale",
    "dranker",
    "gptsnip",
    "gpttrain",
    "sgconvert",
    "sggen",
    "sgtrain",
]


def main() -> int:
    """Compare; the status is 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--only", default="", help="names of lines, with commas")
    told = parser.parse_args()
    names = told.only.split(",") if told.only else list(LINES)
    with tempfile.TemporaryDirectory() as scratch:
        old = Checkout(told.before, Path(scratch, "before"))
        new = Checkout(told.after, Path(scratch, "after"))
        different = 0
        for name in names:
            was, now = old.run(LINES[name]), new.run(LINES[name])
            wrong = sorted(key for key in was | now if was.get(key) != now.get(key))
            different += bool(wrong)
            files = len(was) - 2
            print(f"{name:10} {f'{files} files' if not wrong else 'DIFFERS: ' + ', '.join(wrong)}")
        new.folder = old.folder
        for name in names:
            before = stamps(old.folder)
            status = new.run(LINES[name])["status"]
            touched = sorted(
                key for key, stamp in stamps(old.folder).items() if before.get(key) != stamp
            )
            wrong = [file for file in touched if not name.startswith(("snapshot", "model"))]
            different += bool(wrong)
            print(
                f"{name:10} goes on: status {status}{', WRITES ' + ', '.join(wrong) if wrong else ''}"
            )
    return 1 if different else 0


class Checkout:
    """The commands of one checkout, and the folder that they are run in."""

    def __init__(self, place: Path, folder: Path) -> None:
        self.folder = folder
        self.bin = folder.with_name(f"{folder.name}-bin")
        folder.mkdir()
        self.bin.mkdir()
        (folder / "corpus.txt").write_bytes(Path(place, "examples/synopses.txt").read_bytes())
        shipped = [
            *place.glob("animetools/netfiles/default.pkl"),
            *place.glob("animetools/networks/default.pkl"),
        ]
        self.network = folder / "default.pkl"
        self.network.write_bytes(shipped[0].read_bytes())
        for name in COMMANDS:
            script = self.bin / name
            script.write_text(
                f"#!/bin/sh\nPYTHONPATH='{place.resolve()}' exec '{sys.executable}' -c '\n"
                f'import sys; sys.argv[0] = "{name}"\n'
                f'from animetools.commands.{name} import {name}; {name}()\' "$@"\n'
            )
            script.chmod(0o755)

    def run(self, line: str) -> dict[str, str]:
        """Run a line: its status, a digest of what it prints and of each file that changed."""
        before = stamps(self.folder)
        done = subprocess.run(
            ["bash", "-c", line.format(network="default.pkl")],
            cwd=self.folder,
            env=os.environ | {"PATH": f"{self.bin}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )  # fmt: skip
        if done.returncode > 1:
            print(done.stderr.decode(errors="replace"))
        found = {"status": str(done.returncode), "printed": hashlib.sha256(done.stdout).hexdigest()}
        for name, stamp in stamps(self.folder).items():
            if before.get(name) != stamp:
                found[name] = digest(self.folder / name)
        return found


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file that the commands wrote for a person."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.name not in CHANGING
        and not path.name.startswith((".", "events."))
    }


def digest(path: Path) -> str:
    """What is in a file; of networks the tensors alone, since the rest names times and versions."""
    digest = hashlib.sha256()
    if path.suffix not in TENSORS:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    for name, value in sorted(tensors(path).items()):
        digest.update(name.encode() + value)
    return digest.hexdigest()


def tensors(path: Path) -> dict[str, bytes]:
    """The bytes of every tensor in a file."""
    import torch
    from safetensors.torch import load_file

    found: dict[str, bytes] = {}

    def walk(place: str, value: object) -> None:
        if isinstance(value, torch.Tensor):
            found[place] = value.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        elif isinstance(value, dict):
            for key, part in value.items():
                walk(f"{place}.{key}", part)
        elif isinstance(value, list | tuple):
            for number, part in enumerate(value):
                walk(f"{place}.{number}", part)

    is_pickle = path.suffix == ".pkl"
    walk("", torch.load(path, weights_only=True) if is_pickle else load_file(path))
    return found


if __name__ == "__main__":
    sys.exit(main())
