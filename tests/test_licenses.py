"""docs/licenses.md names what is installed and what ships."""

import re
import tomllib

from tests.conftest import ROOT

PAGE = (ROOT / "docs/licenses.md").read_text()


def test_every_package_is_listed_with_its_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = dict(project["optional-dependencies"])
    extras.pop("dev")
    wanted = {(name(need), "") for need in project["dependencies"]}
    wanted |= {(name(need), extra) for extra, needs in extras.items() for need in needs}
    ours, others, _ = re.split("^## ", PAGE, flags=re.MULTILINE)[1:]
    listed = {(package, "") for line in lines(ours) for package in ticked(line[0])}
    listed |= {
        (package, extra)
        for packages, where, _ in lines(others)
        for package in ticked(packages)
        for extra in ticked(where)
    }
    assert listed == wanted


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
