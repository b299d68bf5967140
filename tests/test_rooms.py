"""Who may import whom."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from tests.conftest import ROOT

GROUND = {
    "options",
    "colors",
    "shared_options",
    "settings",
    "errors",
    "tags",
    "names",
    "tsv",
    "atomic",
    "database",
    "download",
    "estimate",
}
ALLOWED = {
    "options": set(),
    "colors": set(),
    "shared_options": {"colors", "options"},
    "settings": {"options"},
    "errors": set(),
    "tags": {"errors"},
    "names": set(),
    "tsv": set(),
    "atomic": {"names"},
    "database": {"errors"},
    "download": {"atomic"},
    "estimate": set(),
    "cli": GROUND,
    "artist": GROUND,
    "booru": GROUND,
    "networks": GROUND,
    "runs": GROUND,
    "text": GROUND | {"runs"},
    "netfiles": GROUND | {"networks"},
    "images": GROUND | {"netfiles"},
    "dataset": GROUND | {"images"},
    "tagging": GROUND | {"images", "networks", "netfiles"},
    "neighbors": GROUND | {"images", "networks", "dataset", "tagging"},
    "upscaling": GROUND | {"images", "networks", "netfiles"},
    "ranking": GROUND | {"images", "networks", "netfiles"},
    "training": GROUND | {"images", "networks", "netfiles", "dataset", "runs", "tagging"},
    "sampling": GROUND | {"images", "networks", "netfiles", "ranking"},
    "inversion": GROUND | {"runs", "images", "networks", "netfiles", "ranking", "sampling"},
    "editing": GROUND | {"images", "networks", "netfiles", "tagging", "sampling", "inversion"},
    "films": GROUND | {"images", "networks", "netfiles", "sampling", "editing", "upscaling"},
    "site": GROUND | {"images", "networks", "netfiles", "text", "sampling", "editing"},
}


def imported(path: Path) -> Iterator[str]:
    """What a file imports, at its top, late, or for types alone: modules, and names in them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_rooms_import_only_what_they_may() -> None:
    wrong = []
    for path in (ROOT / "animetools").rglob("*.py"):
        room = path.relative_to(ROOT / "animetools").parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for name in imported(path):
            whole, _, rest = name.partition(".")
            other = rest.split(".")[0]
            if whole != "animetools" or other in ("", room):
                continue
            if room == "commands" or other in ALLOWED[room]:
                continue
            wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong


def test_rooms_import_only_those_above_them() -> None:
    above: set[str] = set()
    for row in re.findall(r"^\| (`.*?`) \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE):
        rooms = [name for name in re.findall(r"\w+(?=/|\.py)", row) if name in ALLOWED]
        for room in rooms:
            assert above | GROUND >= ALLOWED[room]
        above.update(rooms)
    assert above == set(ALLOWED)


def test_no_files_import_each_other_in_a_circle() -> None:
    files = {}
    for path in (ROOT / "animetools").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        files[".".join(parts).removesuffix(".__init__")] = path
    graph = {
        module: {
            other
            for name in imported(path)
            for other in [name if name in files else name.rpartition(".")[0]]
            if other in files and other != module
        }
        for module, path in files.items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle
