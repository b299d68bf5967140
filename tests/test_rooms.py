"""Who may import whom."""

import ast

from tests.conftest import ROOT

GROUND = {
    "options",
    "colors",
    "settings",
    "errors",
    "names",
    "atomic",
    "database",
    "download",
    "estimate",
}
ALLOWED = {
    "options": set(),
    "colors": set(),
    "settings": {"options"},
    "errors": set(),
    "names": set(),
    "atomic": {"names"},
    "database": {"errors"},
    "download": {"atomic"},
    "estimate": set(),
    "cli": GROUND,
    "artist": GROUND,
    "images": GROUND,
    "networks": GROUND,
    "runs": GROUND,
    "text": GROUND | {"runs"},
    "netfiles": GROUND | {"networks"},
    "dataset": GROUND | {"images"},
    "upscaling": GROUND | {"images", "networks", "netfiles"},
    "ranking": GROUND | {"images", "networks", "netfiles"},
    "training": GROUND | {"images", "networks", "netfiles", "dataset", "runs"},
    "sampling": GROUND | {"images", "networks", "netfiles", "ranking"},
}


def test_rooms_import_only_what_they_may() -> None:
    wrong = []
    for path in (ROOT / "animetools").rglob("*.py"):
        room = path.relative_to(ROOT / "animetools").parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                whole, _, rest = name.partition(".")
                other = rest.split(".")[0]
                if whole != "animetools" or other in ("", room):
                    continue
                if room == "commands" or other in ALLOWED[room]:
                    continue
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong
