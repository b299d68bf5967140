"""booruselect against jq, and readers of JSON against each other, in CPU seconds.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/metadata.py [POSTS]

Makes metadata as Danbooru's, 30 tags a post, in both forms, and has each program find the posts with
1boy and solo but not trap. All give the same ids. The fastest of three rounds counts.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

ROUNDS = 3
WORDS = [
    "long",
    "blue",
    "red",
    "hair",
    "eyes",
    "dress",
    "hat",
    "ribbon",
    "hand",
    "smile",
    "open",
    "mouth",
    "sky",
    "tree",
    "sword",
    "cat",
    "ears",
]
COMMON = ["1girl", "solo", "long_hair", "smile", "1boy", "blush", "hat", "trap"]
# Number of each category -> how many names it has, and the fewest and most of one post.
CATEGORIES = {
    0: (30_000, 12, 45),
    1: (20_000, 1, 1),
    3: (3_000, 1, 2),
    4: (20_000, 0, 3),
    5: (100, 0, 3),
}
NAMES = {0: "general", 1: "artist", 3: "copyright", 4: "character", 5: "meta"}

QUERY = {
    "old": '([.tags[].name] as $n | ($n|index("1boy")) and ($n|index("solo")) and ($n|index("trap")|not))',
    "new": '(.tag_string|split(" ") as $n | ($n|index("1boy")) and ($n|index("solo")) and ($n|index("trap")|not))',
}

# A peer reads a file of one form, in a process of its own.
READER = """
import gc, sys
gc.disable()
form, path = sys.argv[2:]
{loads}
for line in open(path, "rb"):
    post = loads(line)
    names = {{tag["name"] for tag in {tags}}} if form == "old" else set(post["tag_string"].split())
    if "1boy" in names and "solo" in names and "trap" not in names and not post["is_deleted"]:
        print(post["id"])
    del post
"""
READERS = {
    "json": READER.format(loads="from json import loads", tags='post["tags"]'),
    "orjson": READER.format(loads="from orjson import loads", tags='post["tags"]'),
    "simdjson": READER.format(
        loads="import simdjson; loads = simdjson.Parser().parse", tags='post["tags"].as_list()'
    ),
    "msgspec": """
import gc, sys
from msgspec import Struct, json
class Tag(Struct, gc=False):
    name: str
class Post(Struct, gc=False):
    id: int | str
    is_deleted: bool
    tags: list[Tag] = []
    tag_string: str = ""
gc.disable()
form, path = sys.argv[2:]
read = json.Decoder(Post).decode
for line in open(path, "rb"):
    post = read(line)
    names = {tag.name for tag in post.tags} if form == "old" else set(post.tag_string.split())
    if "1boy" in names and "solo" in names and "trap" not in names and not post.is_deleted:
        print(post.id)
""",
    "duckdb": """
import duckdb, sys
form, path = sys.argv[2:]
names = "list_transform(tags, lambda tag: tag.name)" if form == "old" else "split(tag_string, ' ')"
tags = "STRUCT(name VARCHAR)[]" if form == "old" else "VARCHAR"
field = "tags" if form == "old" else "tag_string"
found = duckdb.connect(config={"threads": 1}).execute(
    f"SELECT id FROM read_json(?, format='newline_delimited', columns={{'id': 'VARCHAR', 'is_deleted':"
    f" 'BOOLEAN', '{field}': '{tags}'}}) WHERE NOT is_deleted AND list_has_all({names}, ['1boy', 'solo'])"
    f" AND NOT list_contains({names}, 'trap')", [path]
)
print("\\n".join(row[0] for row in found.fetchall()))
""",
}


def posts(count: int) -> Iterator[tuple[dict[str, Any], dict[int, list[str]]]]:
    """What both forms say of a post, and its tags by category."""
    rng = random.Random(0)
    names: dict[int, list[str]] = {}
    for category, (number, _, _) in CATEGORIES.items():
        words = {"_".join(rng.choices(WORDS, k=rng.randint(2, 4))) + f"_{n}" for n in range(number)}
        names[category] = (COMMON if category == 0 else []) + rng.sample(sorted(words), len(words))
    weights = {c: [*accumulate(1 / (n + 4) for n in range(len(names[c])))] for c in names}
    for number in range(1, count + 1):
        tags = {
            category: [*dict.fromkeys(rng.choices(names[category], cum_weights=weights[category], k=rng.randint(few, many)))]
            for category, (_, few, many) in CATEGORIES.items()
        }  # fmt: skip
        yield (
            {
                "id": number,
                "created_at": f"20{rng.randint(10, 19)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02} 12:34:56 UTC",
                "uploader_id": rng.randint(1, 99_999),
                "score": rng.randint(-3, 60),
                "source": f"https://i.pximg.net/img-original/img/2018/01/01/00/00/{number * 31}_p0.jpg",
                "md5": f"{rng.getrandbits(128):032x}",
                "rating": rng.choice("gssqe"),
                "image_width": rng.randint(300, 3000),
                "image_height": rng.randint(300, 3000),
                "file_ext": rng.choice(["jpg", "jpg", "png"]),
                "file_size": rng.randint(10_000, 4_000_000),
                "pixiv_id": number * 31,
                "up_score": 5,
                "down_score": 0,
                "parent_id": 0,
                "is_deleted": rng.random() < 0.05,
            },
            tags,
        )


def old(facts: dict[str, Any], tags: dict[int, list[str]]) -> dict[str, Any]:
    """The post in the form of 2017 to 2020."""
    strings = {name: f"{value}" if type(value) is int else value for name, value in facts.items()}
    flags = (
        "is_note_locked",
        "is_rating_locked",
        "is_status_locked",
        "is_pending",
        "is_flagged",
        "is_banned",
    )
    listed = [
        {"id": f"{400_000 + len(name) * 7919}", "name": name, "category": f"{category}"}
        for category, names in tags.items() for name in names
    ]  # fmt: skip
    favorites = [f"{facts['file_size'] % (n + 7919)}" for n in range(facts["score"] % 30)]
    return strings | dict.fromkeys(flags, False) | {"favs": favorites, "pools": [], "tags": listed}


def new(facts: dict[str, Any], tags: dict[int, list[str]]) -> dict[str, Any]:
    """The post in the form of 2021 and later."""
    strings = {f"tag_string_{NAMES[category]}": " ".join(names) for category, names in tags.items()}
    counts = {f"tag_count_{NAMES[category]}": len(names) for category, names in tags.items()}
    flags = (
        "is_pending",
        "is_flagged",
        "is_banned",
        "has_children",
        "has_large",
        "has_visible_children",
    )
    place = f"aa/bb/{facts['md5']}.jpg"
    urls = {
        f"{kind}file_url": f"https://cdn.donmai.us/{kind}/{place}"
        for kind in ("", "large_", "preview_")
    }
    whole = {"tag_string": " ".join(sorted(name for names in tags.values() for name in names))}
    return facts | dict.fromkeys(flags, False) | whole | counts | strings | urls


def cpu(line: list[str]) -> tuple[float, str]:
    """CPU seconds of a process and its children, and what it prints."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def main() -> None:
    """Make both files, and time all programs on each."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    with tempfile.TemporaryDirectory() as folder:
        for form, make in {"old": old, "new": new}.items():
            path = Path(folder) / form
            with path.open("w") as file:
                for facts, tags in posts(count):
                    file.write(json.dumps(make(facts, tags), separators=(",", ":")) + "\n")
            compare(form, path, count)


def compare(form: str, path: Path, count: int) -> None:
    """Time all programs on one file."""
    select = f"select((.is_deleted|not) and {QUERY[form]})"
    lines = {
        "jq": ["jq", "-r", f"{select}|.id", str(path)],
        "booruselect": [str(ROOT / "bin/booruselect"), "-q", "--ids", "--tag", "1boy,solo", "--no-tag", "trap", str(path)],
        "booruselect --rating sfw": [str(ROOT / "bin/booruselect"), "-q", "--ids", "--rating", "sfw", str(path)],
        "jq sfw": ["jq", "-r", 'select((.is_deleted|not) and (.rating=="g" or .rating=="s"))|.id', str(path)],
    }  # fmt: skip
    for name, code in READERS.items():
        if (
            subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True).returncode
            == 0
        ):
            lines[name] = [sys.executable, "-c", code, "-", form, str(path)]
    best: dict[str, float] = {}
    answers: dict[str, str] = {}
    for _ in range(ROUNDS):
        for name, line in lines.items():
            seconds, answers[name] = cpu(line)
            best[name] = min(seconds, best.get(name, seconds))
    size = path.stat().st_size
    print(f"{form}: {count} posts, {size / count:.0f} bytes each")
    for name, seconds in best.items():
        peer = "jq sfw" if "sfw" in name else "jq"
        if sorted(answers[name].split()) != sorted(answers[peer].split()):  # duckdb sorts
            print(f"  {name} gives other posts than {peer}")
        rate = count / seconds
        print(
            f"  {name:25} {seconds:6.2f} s, {best[peer] / seconds:5.1f} x {peer};"
            f" {6e6 / rate / 60:.1f} minutes for 6 million posts"
        )


if __name__ == "__main__":
    main()
