"""live.html in a real browser: it draws what sggen draws."""

import functools
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from animetools.errors import Advice, FatalError
from animetools.netfiles import checkpoints
from animetools.site import engine, live
from tests.browser import PROGRAM, Browser
from tests.quick import quick
from tests.site.test_pages import AXE
from tests.tiny import SIZE, snapshot

PIXELS = f"[...canvas.getContext('2d').getImageData(0, 0, {SIZE}, {SIZE}).data]"


class Handler(SimpleHTTPRequestHandler):
    """A static host, without any header of its own."""

    extensions_map = dict.fromkeys((".js", ".mjs"), "text/javascript") | {
        **{".css": "text/css", ".html": "text/html", ".wasm": "application/wasm"},
        **{"": "application/octet-stream"},
    }

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with a conditional network of 16 x 16 pixels, and what sggen draws with it."""
    try:
        engine.engine()
    except FatalError as why:
        pytest.skip(str(why))
    folder = tmp_path_factory.mktemp("live")
    labels = {"c_dim": 2, "labels": ["plain", "smile"]}
    checkpoints.write(str(folder / "n.pkl"), snapshot(**labels))  # type: ignore[arg-type]
    for options in ("--seeds 0,5,4294967295 --class smile", "--seeds 7 --class plain --psi 1.2"):
        psi = "" if "psi" in options else " --psi 0.6"
        done = quick(f"sggen --network n.pkl {options}{psi} -o drawn", folder)
        assert done.returncode == 0, done.stderr
    done = quick("waifusite --live n.pkl -o site drawn", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("site/live.html\n")
    return folder


@pytest.fixture(scope="module")
def page(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The page, with its network loaded."""
    if not PROGRAM:
        pytest.skip("chromium is not installed")
    serve = functools.partial(Handler, directory=str(folder / "site"))
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), serve) as server,
        Browser(tmp_path_factory.mktemp("profile")) as browser,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser.show(1280, 800)
        browser.open(f"http://127.0.0.1:{server.server_port}/live.html")
        assert not any(".onnx" in address for address in browser.requests)
        assert "MB" in browser.ask("$('load').textContent")
        browser.ask("$('load').click()")
        browser.until("facts && !busy")
        yield browser
        server.shutdown()


def drawn(page: Browser, **wishes: float) -> np.ndarray:
    """What the page draws for these values of its controls."""
    for name, value in wishes.items():
        page.ask(f"$('{name}').value = {value}")
    page.ask("$('story').dispatchEvent(new Event('input'))")
    page.until("!busy && !wanted")
    return np.array(page.ask(PIXELS)).reshape(SIZE, SIZE, 4)[..., :3]


def test_it_draws_what_sggen_draws(page: Browser, folder: Path) -> None:
    pictures = sorted((folder / "drawn").glob("*.png"))
    assert len(pictures) == 4
    for path in pictures:
        with Image.open(path) as image:
            facts = json.loads(image.info["Description"])
            wanted = np.asarray(image).astype(int)
        wishes = {"a": facts["seed"], "psi": facts["psi"], "share": 0, "mix": 0}
        found = drawn(page, **wishes, **{"class": ["plain", "smile"].index(facts["class"])})
        assert np.abs(found - wanted).max() <= 2, path
    assert page.troubles == []


def test_two_seeds_are_mixed(page: Browser) -> None:
    common = {"psi": 0.6, "class": 0}
    one = drawn(page, a=5, b=7, share=0, mix=0, **common)
    other = drawn(page, a=7, b=5, share=0, mix=0, **common)
    assert (drawn(page, a=5, b=7, share=1, mix=0, **common) == other).all()
    rows = page.ask("facts.rows")
    assert (drawn(page, a=5, b=7, share=0, mix=rows, **common) == other).all()
    half = drawn(page, a=5, b=7, share=0.5, mix=0, **common)
    assert (half != one).any() and (half != other).any()


def test_what_is_no_seed_becomes_one(page: Browser) -> None:
    drawn(page, a=5e9, b=-3, share=0, mix=0)
    page.ask("$('story').dispatchEvent(new Event('change'))")
    assert page.ask("[$('a').value, $('b').value, drawn.a]") == ["4294967295", "0", 4294967295]


def test_letters_choose_in_a_list(page: Browser) -> None:
    page.ask("$('class').focus()")
    page.press("s")
    assert not page.ask("going")
    page.ask("$('class').blur()")


def test_a_walk_goes_on_until_it_is_stopped(page: Browser) -> None:
    before = page.ask("JSON.stringify(drawn)")
    page.press("s")
    page.until(f"JSON.stringify(drawn) !== {before!r}")
    page.press("s")
    page.until("!busy && !wanted")
    stopped = page.ask("JSON.stringify(drawn)")
    page.wait(0.2)
    assert page.ask("JSON.stringify(drawn)") == stopped


def test_a_saved_picture_says_where_it_comes_from(
    page: Browser, folder: Path, tmp_path: Path
) -> None:
    page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    wanted = drawn(page, a=5, b=7, share=0, mix=0, psi=0.6, **{"class": 1})
    page.press("d")
    page.until(lambda: (tmp_path / "seed5.png").exists())
    with Image.open(tmp_path / "seed5.png") as image:
        facts = json.loads(image.info["Description"])
        assert (np.asarray(image)[..., :3] == wanted).all()
    assert facts.pop("sha256") and facts == {
        **{"seed": 5, "psi": 0.6, "network": "n.pkl", "class": "smile"},
    }


def test_everybody_can_use_it_and_nothing_else_is_loaded(page: Browser) -> None:
    host = page.ask("location.origin")
    assert all(address.startswith((host, "blob:")) for address in page.requests)
    assert page.troubles == []
    if AXE.exists():
        page.show(390, 844, still=True, mobile=True)
        assert page.ask("document.documentElement.scrollWidth <= innerWidth")
        page.ask(AXE.read_text() + "; 0")
        found = page.ask("axe.run().then((all) => all.violations)")
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []


def test_a_later_run_keeps_the_network(folder: Path) -> None:
    files = sorted(path.name for path in (folder / "site/assets").iterdir())
    done = quick("waifusite -o site --title Another drawn", folder)
    assert done.stdout.startswith("site/live.html\n")
    assert sorted(path.name for path in (folder / "site/assets").iterdir()) == files
    assert "Another" in (folder / "site/live.html").read_text()


def test_a_network_that_half_precision_would_spoil_is_too_large_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = snapshot()
    checkpoints.write(str(tmp_path / "n.pkl"), network)
    count = sum(value.numel() for value in network.generator.state.values())
    monkeypatch.setattr(live, "MOST_BYTES", 2 * count)
    monkeypatch.setattr(live, "CLOSE", -1)
    with pytest.warns(Advice, match=r"n\.pkl would be [\d.]+ kB in a page"):
        assert live.exported(str(tmp_path / "n.pkl"), "n.pkl", "0") is None


def test_a_network_that_is_too_large_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.write(str(tmp_path / "n.pkl"), snapshot())
    monkeypatch.setattr(live, "MOST_BYTES", 1000)
    with pytest.warns(Advice, match=r"n\.pkl would be [\d.]+ kB in a page, more than 1.0 kB"):
        assert live.exported(str(tmp_path / "n.pkl"), "n.pkl", "0") is None


def test_an_engine_that_cannot_be_had_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"which cannot be downloaded .*leave out --live"):
        engine.engine("http://127.0.0.1:9/x.tgz", folder=str(tmp_path))
    assert not list(tmp_path.iterdir())
