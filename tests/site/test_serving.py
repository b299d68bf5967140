"""examples/site: a site behind a real nginx."""

import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import HANGS, ROOT
from tests.training.groups import free_port

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def answered(port: int, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    one = http.client.HTTPConnection("127.0.0.1", port, timeout=HANGS)
    one.request("GET", path, headers={"Accept-Encoding": "gzip", **headers})
    answer = one.getresponse()
    found = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    one.close()
    return found


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may read: root's nginx becomes another user, as servers do."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_nginx_serves_what_the_example_makes(public: Path) -> None:
    if not NGINX:
        pytest.skip("nginx is not installed")
    port = free_port()
    words = [f"{ROOT}/examples/site/serve.sh", "3", "here", str(port)]
    server = subprocess.Popen(
        words, cwd=public, text=True, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert server.stdout
        assert server.stdout.readline() == f"http://127.0.0.1:{port}/\n"
        end = time.monotonic() + HANGS
        while time.monotonic() < end:
            try:
                status, page, data = answered(port, "/")
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        assert (status, page["content-type"]) == (200, "text/html; charset=utf-8")
        assert (page["cache-control"], page["content-encoding"]) == ("no-cache", "gzip")
        assert answered(port, "/", **{"If-None-Match": page["etag"]})[0] == 304
        style = next((public / "here/site/assets").glob("*.css")).name
        _, sheet, data = answered(port, f"/assets/{style}")
        assert (sheet["content-type"], "immutable" in sheet["cache-control"]) == (
            "text/css; charset=utf-8",
            True,
        )
        assert len(data) < (public / "here/site/assets" / style).stat().st_size / 2
        _, image, data = answered(port, "/images/0/8.png")
        assert (image["content-type"], image["x-content-type-options"]) == ("image/png", "nosniff")
        assert image["cache-control"] == "public, max-age=86400"
        assert data == (public / "here/site/images/0/8.png").read_bytes()
        assert answered(port, "/pairs/0/8.js")[1]["content-type"].startswith("text/javascript")
        for hidden in ("/.waifusite.sqlite", "/images/", "/images/0/9.png", "/../nginx.conf"):
            assert answered(port, hidden)[0] >= 400
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate()
