"""The page with a network in it, in Chromium: are its pictures sgedit's, and how fast are its sliders?

    PYTHONPATH=. .venv/bin/python tests/benchmarks/live.py [--network FILE] [--tags TAGS] [--moves 60]

Prints the largest difference to pictures of `sgedit`, in grey levels, and milliseconds from the move
of a slider to the next frame after the picture is there: the median, nine times in ten, the most.
"""

import argparse
import functools
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from tests.browser import Browser
from tests.conftest import bash
from tests.site.test_live import opened

EDITS = {"sefa0": 2, "sefa1": -1.5}
# What is moved each time, psi besides.
MOVES = {
    "psi": "",
    "edit": "edits[0].value = 20 * Math.random() - 10;",
    "seed": "$('a').value = chance(1e6);",
}
TIMED = """(async () => {
  const took = [];
  for (let n = 0; n < %d; n += 1) {
    $('psi').value = 2.5 * Math.random() - 1;
    %s
    const begun = performance.now();
    $('psi').dispatchEvent(new Event('input', { bubbles: true }));
    while (busy) await new Promise((done) => setTimeout(done, 1));
    await new Promise(requestAnimationFrame);
    took.push(performance.now() - begun);
  }
  return took;
})()"""


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", default="default")
    parser.add_argument("--tags", default="")
    parser.add_argument("--moves", type=int, default=60)
    given = parser.parse_args()
    network = given.network if given.network == "default" else os.path.abspath(given.network)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        edit = ",".join(f"{name}={amount}" for name, amount in EDITS.items())
        tags = f"--tags {given.tags}" if given.tags else ""
        done = bash(
            f"sgedit --network {network} --learn d.npz --sefa 3 &&"
            f" sgedit --network {network} --directions d.npz --edit {edit} {tags} -s 0-7 --psi 0.7"
            f" | waifusite --live {network} --directions d.npz",
            folder,
        )
        assert done.returncode == 0, done.stderr
        with opened(folder / "site", folder / "profile") as page:
            begun = time.monotonic()
            page.ask("$('load').click()")
            page.until("facts && !busy")
            print(f"loaded and drawn after {time.monotonic() - begun:.1f} s")
            worst = max(map(functools.partial(difference, page), (folder / "edited").glob("*.png")))
            print(f"8 pictures of sgedit: {worst} grey levels at the most")
            for what, moved in MOVES.items():
                took = np.array(page.ask(TIMED % (given.moves, moved)))
                figures = " ".join(f"{np.quantile(took, q):.0f}" for q in (0.5, 0.9, 1))
                print(f"{what}: {figures} ms, load {os.getloadavg()[0]:.0f}")


def difference(page: Browser, path: Path) -> int:
    """The largest difference between a picture of sgedit and the page's, in grey levels."""
    with Image.open(path) as image:
        facts = json.loads(image.info["Description"])
        wanted = np.asarray(image).astype(int)
    page.ask("[...tagged.keys()].forEach(drop)")
    for name, *_ in facts.get("tags", []):
        weight = facts.get("labels", {}).get(name, 1)
        page.ask(f"put(facts.classes.indexOf({json.dumps(name)}), {weight})")
    for number, amount in enumerate(EDITS.values()):
        page.ask(f"edits[{number}].value = {amount}")
    page.ask(f"$('a').value = {facts['of']}; $('psi').value = {facts['psi']}; draw()")
    page.until("!busy && !wanted")
    high, wide, _ = wanted.shape
    pixels = f"[...canvas.getContext('2d').getImageData(0, 0, {wide}, {high}).data]"
    found = np.array(page.ask(pixels)).reshape(high, wide, 4)[..., :3]
    return int(np.abs(found - wanted).max())


if __name__ == "__main__":
    main()
