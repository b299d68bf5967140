"""A site of many tiny pairs: building it, adding to it, serving it, looking at it.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/site.py [--pairs 20000] [--added 100] [--folder F]

Prints computing time and memory of waifusite for that many pairs and for a second build that adds
some. Then, where they are installed, the requests a second of nginx with examples/site/nginx.conf,
from four connections that wait for each answer, beside those of Python's http.server; and in
Chromium requests and bytes of the first view, the time of a swap, and frames a second of the endless
wall while it scrolls. A folder that is there is used again.
"""

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from animetools.images.described import encode_described
from tests.browser import PROGRAM, Browser
from tests.conftest import ROOT
from tests.site.test_serving import NGINX
from tests.training.groups import free_port

CONNECTIONS = 4
SECONDS = 3
HANDSHAKE = 0.5  # seconds until a server listens


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--added", type=int, default=100)
    parser.add_argument("--folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary)
        os.chmod(temporary, 0o755)  # nginx becomes another user
        for name, count in (("first", options.pairs), ("second", options.pairs + options.added)):
            if not (folder / f"{name}.txt").exists():
                write(folder, name, count)
                built(folder, name, count)
        serve(folder)


def write(folder: Path, name: str, count: int) -> None:
    """Faces of 16 x 16 pixels, each with a seed and a text, and a list of them."""
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    paths = []
    for seed in range(count):
        path = folder / f"in/{seed // 1000}/{seed}.png"
        paths.append(str(path))
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        (folder / "texts").mkdir(exist_ok=True)
        origin = json.dumps({"seed": seed, "psi": 0.7, "network": "n.pkl"})
        path.write_bytes(encode_described(noise + np.uint8(seed % 251), "png", 90, origin))
        text = f"Title {seed}|" + "Words and words. " * 20
        (folder / f"texts/snippet-{seed}.txt").write_text(text)
    (folder / f"{name}.txt").write_text("\n".join(paths))


def built(folder: Path, name: str, count: int) -> None:
    """One run of waifusite."""
    words = [str(ROOT / "bin/waifusite"), "-q", "--snippets", f"{folder}/texts"]
    words += ["-o", f"{folder}/site"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(folder / f"{name}.txt") as listed:
        subprocess.run(words, stdin=listed, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    user, kernel = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    print(
        f"{name} build, {count} pairs: {user:.1f} s and {kernel:.1f} s in the kernel,"
        f" at most {after.ru_maxrss / 1024:.0f} MB"
    )


def serve(folder: Path) -> None:
    """What servers and a browser make of the site."""
    port = free_port()
    words = [sys.executable, "-m", "http.server", str(port), "-b", "127.0.0.1", "-d"]
    with subprocess.Popen(
        [*words, folder / "site"], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    ) as plain:
        peer = asked(port)
        plain.kill()
    if not NGINX:
        return
    port = free_port()
    config = (ROOT / "examples/site/nginx.conf").read_text()
    (folder / "nginx.conf").write_text(config.replace("127.0.0.1:8080", f"127.0.0.1:{port}"))
    (folder / "tmp").mkdir(exist_ok=True)
    words = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    server = subprocess.Popen(words)
    try:
        rate = asked(port)
        print(f"nginx: {rate:.0f} requests a second, {rate / peer:.0f} times http.server's")
        if PROGRAM:
            look(f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait()


def asked(port: int) -> float:
    """Answers a second, from a few connections that each wait for one before the next question."""
    end = time.monotonic() + HANDSHAKE + SECONDS
    counts = [0] * CONNECTIONS

    def ask(number: int) -> None:
        while time.monotonic() < end:
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as one:
                    answers(one, number)
            except OSError:
                time.sleep(0.05)

    def answers(one: socket.socket, number: int) -> None:
        while time.monotonic() < end:
            face = (counts[number] * 7919 + number) % 1000
            request = f"GET /images/0/{face}.png HTTP/1.1\r\nHost: localhost\r\n\r\n"
            one.sendall(request.encode())
            if not one.recv(1 << 16):
                return
            counts[number] += 1

    threads = [threading.Thread(target=ask, args=[n]) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS


def look(address: str) -> None:
    """What a visitor gets."""
    with tempfile.TemporaryDirectory() as profile, Browser(Path(profile)) as browser:
        browser.show(1280, 800)
        browser.open(f"{address}/index.html")
        browser.until("document.querySelector('#stage img') !== null")
        browser.ask("next.then(() => 1)")
        browser.wait(0.5)
        own = [one for one in browser.requests if not one.startswith("data:")]
        print(f"first view, with the next pair: {len(own)} requests, {browser.received} bytes")
        swap = "(async () => { for (let n = 0; n < 50; n += 1) {"
        swap += " await next; const at = performance.now(); await another(); spent += performance.now() - at; }"
        found = browser.ask(f"var spent = 0; {swap} return spent / 50; }})()")
        print(f"a swap: {found:.2f} ms")
        browser.open(f"{address}/scroll.html")
        browser.wait(1)
        before = browser.call("Performance.getMetrics")["metrics"]
        frames = browser.ask(
            "(async () => { const begin = performance.now(); let frames = 0;"
            " while (performance.now() - begin < 5000) { scrollBy(0, 20);"
            " await new Promise(requestAnimationFrame); frames += 1; } return frames; })()"
        )
        after = browser.call("Performance.getMetrics")["metrics"]
        spent = {one["name"]: one["value"] for one in after}["TaskDuration"]
        spent -= {one["name"]: one["value"] for one in before}["TaskDuration"]
        print(
            f"endless wall, 20 pixels a frame: {frames / 5:.0f} frames a second, of which each takes"
            f" {1000 * spent / frames:.1f} ms of computing"
        )


if __name__ == "__main__":
    main()
