"""The pages of a site, and the files that they load: from templates, the same bytes each time."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from animetools.estimate import size
from animetools.site.pictures import card, icon

if TYPE_CHECKING:
    from jinja2 import Environment

    from animetools.site.live import Live

_TEMPLATES = os.path.join(os.path.dirname(__file__), "templates")
SHOWN_FIRST = 8  # pictures that the card is made of

# Nothing but files beside the page, and no script or style inside it, whatever a text may hold.
POLICY = (
    "default-src 'none'; img-src 'self'; script-src 'self'; style-src 'self';"
    " base-uri 'none'; form-action 'none'"
)
LIVE_POLICY = f"{POLICY}; worker-src 'self'"


@dataclass(frozen=True)
class Page:
    """One page: the name of its file, its word in the menu, its title."""

    name: str
    word: str
    title: str


# In the order of the menu. Their names are those of the sites that they follow.
PAGES = (
    Page("index", "One", "This Waifu Does Not Exist"),
    Page("grid", "Many", "These Waifus Do Not Exist"),
    Page("scroll", "Endless", "These Waifus Do Not End"),
    Page("psi", "Sliders", "This Anime Does Not Exist"),
    Page("live", "Live", "This Network Draws Here"),
)


@dataclass(frozen=True)
class LiveFiles:
    """The files of a network in the page: name and bytes of each part.

    Parts of the engine are there twice, those that also compute on a GPU with "gpu_" before them.
    """

    files: dict[str, dict[str, str | int]]

    def size(self, kind: Literal["", "gpu_"]) -> str:
        """All that a visitor loads, with the engine of this kind, in words."""
        engine = [f"{kind}{part}" for part in ("engine", "loader", "program")]
        parts = ["mapping", "synthesis", "facts", *engine]
        return size(sum(int(self.files[part]["bytes"]) for part in parts))


@dataclass(frozen=True)
class Contents:
    """What the pages know of a site, and the first few of its pictures."""

    title: str
    url: str
    count: int
    texts: int
    sets: int
    format: str
    widths: tuple[int, ...]
    pictures: Sequence[str]
    first: str
    live: LiveFiles | None = None

    @property
    def pages(self) -> list[Page]:
        """The pages that this site has."""
        has = {"psi": bool(self.sets), "live": self.live is not None}
        return [page for page in PAGES if has.get(page.name, True)]


def rendered(contents: Contents) -> dict[str, bytes]:
    """All files but those of the faces, by name, in the order in which they must appear.

    A page names its script and style by their contents, so that each page is of one version at any
    moment, and caches never mix two. The first page comes last: what it leads to is there.

    Raises ItemError if a picture cannot be read.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=lambda name: bool(name and name.endswith(".html")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    files = {
        "icon.png": icon(contents.pictures[0]),
        "card.jpg": card(contents.pictures),
        "robots.txt": _text(environment, "robots.txt"),
        "manifest.json": _manifest(contents),
    }
    files |= dict(_pages(environment, contents))
    return files


def _pages(environment: "Environment", contents: Contents) -> Iterator[tuple[str, bytes]]:
    style = _asset(environment, "site", "css")
    worker = _asset(environment, "worker", "js")
    yield style
    if contents.live:
        yield worker
    for page in reversed(contents.pages):
        script = _asset(environment, page.name, "js")
        yield script
        text = environment.get_template(f"{page.name}.html").render(
            site=contents,
            page=page,
            title=contents.title or page.title,
            policy=LIVE_POLICY if page.name == "live" else POLICY,
            style=style[0],
            script=script[0],
            worker=worker[0],
        )
        yield f"{page.name}.html", text.encode()


def _text(environment: "Environment", name: str) -> bytes:
    return environment.get_template(name).render().encode()


def _asset(environment: "Environment", name: str, ending: str) -> tuple[str, bytes]:
    """A file that pages load, and what is in it."""
    data = _text(environment, f"{name}.{ending}")
    return _named(data, name, ending), data


def _named(data: bytes, name: str, ending: str) -> str:
    return f"assets/{name}.{hashlib.sha256(data).hexdigest()[:12]}.{ending}"


def with_network(live: "Live", engine: dict[str, bytes]) -> tuple[LiveFiles, dict[str, bytes]]:
    """The files of a network in the page, by name, and what the page knows of them."""
    parts = {**engine, "mapping": live.mapping, "synthesis": live.synthesis, "facts": live.facts}
    endings = {"engine": "js", "loader": "mjs", "program": "wasm"}
    endings |= {f"gpu_{part}": ending for part, ending in endings.items()}
    endings |= {"mapping": "onnx", "synthesis": "onnx", "facts": "json"}
    files = {}
    known: dict[str, dict[str, str | int]] = {}
    for part, data in parts.items():
        name = _named(data, part, endings[part])
        files[name] = data
        known[part] = {"name": name, "bytes": len(data)}
    return LiveFiles(known), files


def _manifest(contents: Contents) -> bytes:
    """What other programs may want to know: counts, and no names."""
    facts = {
        "faces": contents.count,
        "texts": contents.texts,
        "sets": contents.sets,
        "format": contents.format,
        "widths": contents.widths,
    }
    return f"{json.dumps(facts)}\n".encode()
