"""docs/licenses.md names what is installed and what ships."""

import re
import tomllib

from tests.conftest import ROOT

SECTIONS = re.split("^## ", (ROOT / "docs/licenses.md").read_text(), flags=re.MULTILINE)


def test_every_package_is_listed_with_its_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = dict(project["optional-dependencies"])
    extras.pop("dev")
    wanted = {(name(need), "") for need in project["dependencies"]}
    wanted |= {(name(need), extra) for extra, needs in extras.items() for need in needs}
    ours, others, _ = SECTIONS[1:]
    listed = {(package, "") for line in lines(ours) for package in ticked(line[0])}
    listed |= {
        (package, extra)
        for packages, where, _ in lines(others)
        for package in ticked(packages)
        for extra in ticked(where)
    }
    assert listed == wanted


def test_all_that_ships_beside_the_code_is_listed() -> None:
    listed = [name for line in lines(SECTIONS[0]) for name in ticked(line[0])]
    for path in (ROOT / "animetools").rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            name = str(path.relative_to(ROOT / "animetools"))
            assert any(
                name == one or (one[-1] == "/" and name.startswith(one)) for one in listed
            ), name


def lines(section: str) -> list[list[str]]:
    """The cells of a table, without its head."""
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    return rows[2:]


def ticked(cell: str) -> list[str]:
    """The words in a cell that are code."""
    return re.findall("`([^`]+)`", cell)


def name(requirement: str) -> str:
    """The package that a requirement names."""
    found = re.match(r"[\w.-]+", requirement)
    assert found
    return found[0]
