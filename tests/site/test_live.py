"""live.html in a real browser: it draws what sggen draws."""

import functools
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from animetools.editing.directions import Direction, Directions
from animetools.errors import Advice, FatalError
from animetools.estimate import size
from animetools.netfiles import checkpoints
from animetools.site import engine, live
from tests.browser import PROGRAM, Browser
from tests.quick import quick
from tests.site.test_pages import AXE
from tests.tiny import SIZE, snapshot

ALONG = "--directions d.npz --directions fine.npz"
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
    """A site with a network of 16 x 16 pixels that takes tags and has directions, and its pictures."""
    try:
        engine.engine()
    except FatalError as why:
        pytest.skip(str(why))
    folder = tmp_path_factory.mktemp("live")
    names = ["plain", "smile", "blue_hair"]
    facts = {"c_dim": 3, "labels": names, "tags": True}
    checkpoints.write(str(folder / "n.pkl"), snapshot(**facts))  # type: ignore[arg-type]
    lines = (
        "sggen --seeds 0,5,4294967295 --psi 0.6 --tags smile",
        "sggen --seeds 7 --psi 1.2",
        "sggen --seeds 7 --psi 1.2 --tags smile:0.25,blue_hair -o more",
        "sgedit --learn d.npz --pca 2 --samples 50",
        "sgedit --learn fine.npz --sefa 1 --layers 2-4",
        f"sgedit --seeds 8 --psi 0.6 --tags blue_hair {ALONG} --edit pca0=1.5,pca1=-2,sefa0=3",
    )
    for line in lines:
        done = quick(f"{line} --network n.pkl", folder)
        assert done.returncode == 0, done.stderr
    done = quick(f"waifusite --live n.pkl {ALONG} -o site images", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("site/live.html\n")
    return folder


@contextmanager
def opened(site: Path, profile: Path, *options: str, before: str = "") -> Iterator[Browser]:
    """The page in a browser, before anything is loaded; `before` runs first in it."""
    if not PROGRAM:
        pytest.skip("chromium is not installed")
    serve = functools.partial(Handler, directory=str(site))
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), serve) as server,
        Browser(profile, *options) as browser,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser.show(1280, 800)
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        browser.open(f"http://127.0.0.1:{server.server_port}/live.html")
        yield browser
        server.shutdown()


@pytest.fixture(scope="module")
def page(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The page, with its network loaded."""
    with opened(folder / "site", tmp_path_factory.mktemp("profile")) as browser:
        assert not any(".onnx" in address for address in browser.requests)
        told = browser.ask("$('load').textContent")
        browser.ask("$('load').click()")
        browser.until("facts && !busy")
        assert loaded(browser) == told.removeprefix("Load ")
        yield browser


def loaded(browser: Browser) -> str:
    """How much the page has loaded since it was open, in the words that it says before."""
    names = {address.rpartition("/assets/")[2] for address in browser.requests}
    files = browser.ask("Object.entries(FILES)")
    parts = {part: each["bytes"] for part, each in files if each["name"][7:] in names}
    assert {"mapping", "synthesis", "facts"} < set(parts)
    assert len(parts) in (6, 7)  # an engine that does not load may have been asked for before
    if len(parts) == 7:
        parts.pop("gpu_engine")
    return size(sum(parts.values()))


def troubles(page: Browser) -> list[str]:
    """What went wrong, but for what Chromium says where a page looks for a GPU and there is none."""
    return [each for each in page.troubles if not each.startswith("No available adapters.")]


def drawn(page: Browser, **wishes: float) -> np.ndarray:
    """What the page draws for these values of its controls."""
    for name, value in wishes.items():
        page.ask(f"$('{name}').value = {value}")
    page.ask("$('story').dispatchEvent(new Event('input'))")
    return shown(page)


def shown(page: Browser) -> np.ndarray:
    """What the page shows when it has drawn, uint8 [SIZE, SIZE, 3]."""
    page.until("!busy && !wanted")
    return np.array(page.ask(PIXELS)).reshape(SIZE, SIZE, 4)[..., :3]


def typed(page: Browser, text: str) -> None:
    """Type tags into their field, and Enter."""
    page.ask("$('tag').focus()")
    page.call("Input.insertText", text=text)
    page.press("Enter")


def untagged(page: Browser) -> None:
    """Take all tags away."""
    page.ask("[...tagged.keys()].forEach(remove)")


def wanted(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """The pixels of a picture, and where it comes from."""
    with Image.open(path) as image:
        return np.asarray(image).astype(int), json.loads(image.info["Description"])


def test_it_draws_what_sggen_draws(page: Browser, folder: Path) -> None:
    pictures = [*folder.glob("images/*.png"), *folder.glob("more/*.png")]
    assert len(pictures) == 5
    for path in pictures:
        pixels, facts = wanted(path)
        untagged(page)
        numbers = facts.get("labels") or dict.fromkeys([tag[0] for tag in facts["tags"]], 1)
        if numbers:
            typed(page, ",".join(f"{name}:{number}" for name, number in numbers.items()))
        found = drawn(page, a=facts["seed"], psi=facts["psi"], share=0, mix=0)
        assert np.abs(found - pixels).max() <= 2, path
        assert page.ask("labelsInRecord(drawn.labels)") == {
            key: facts[key] for key in ("tags", "labels") if key in facts
        }
    assert troubles(page) == []


def test_its_sliders_edit_as_sgedit_does(page: Browser, folder: Path) -> None:
    pixels, facts = wanted(folder / "edited/seed0008.png")
    untagged(page)
    typed(page, "blue hair")
    assert page.ask("edits.map((one) => one.parentElement.innerText.trim().split(/\\s/)[0])") == [
        *("pca0", "pca1", "sefa0"),
    ]
    before = drawn(page, a=8, psi=0.6, share=0, mix=0)
    assert np.abs(before - pixels).max() > 20
    found = drawn(page, edit0=1.5, edit1=-2, edit2=3)
    assert np.abs(found - pixels).max() <= 2
    assert page.ask("origin().edit") == facts["edit"]
    assert page.ask("origin().of") == facts["of"] == 8
    page.ask("$('unedited').click()")
    assert (shown(page) == before).all()
    assert page.ask("origin().seed") == 8


def test_two_seeds_are_mixed(page: Browser) -> None:
    untagged(page)
    one = drawn(page, a=5, b=7, share=0, mix=0, psi=0.6)
    other = drawn(page, a=7, b=5, share=0, mix=0)
    assert (drawn(page, a=5, b=7, share=1, mix=0) == other).all()
    rows = page.ask("facts.rows")
    assert (drawn(page, a=5, b=7, share=0, mix=rows) == other).all()
    half = drawn(page, a=5, b=7, share=0.5, mix=0)
    assert (half != one).any() and (half != other).any()


def test_what_is_no_seed_becomes_one(page: Browser) -> None:
    drawn(page, a=5e9, b=-3, share=0, mix=0)
    page.ask("$('story').dispatchEvent(new Event('change'))")
    assert page.ask("[$('a').value, $('b').value, drawn.a]") == ["4294967295", "0", 4294967295]


def test_tags_are_found_chosen_and_removed_by_keys_alone(page: Browser) -> None:
    untagged(page)
    listed = "[...$('found').children].map((one) => one.textContent)"
    page.ask("$('tag').focus()")
    assert page.ask(listed) == ["plain", "smile", "blue_hair"]
    page.press("l")  # inside of all three
    page.press("a")
    assert page.ask(listed) == ["plain"]
    page.press("Backspace")
    page.press("Backspace")
    page.press("ArrowUp")
    assert page.ask(
        "document.getElementById($('tag').getAttribute('aria-activedescendant')).innerText"
    ) == ("blue_hair")
    page.press("Enter")
    assert page.ask("[$('found').hidden, $('tag').value, labels()]") == [True, "", [[2, 1]]]
    page.press("ArrowDown")
    page.press("Enter")
    typed(page, "smile:0.3")
    assert page.ask("labels()") == [[0, 1], [1, 0.3], [2, 1]]
    page.press("Backspace")
    assert page.ask("[labels(), document.activeElement.id]") == [[[0, 1], [2, 1]], "tag"]
    page.press("s")  # a letter, not the key of the walk
    assert page.ask("[going, $('tag').value]") == [False, "s"]
    page.press("Escape")
    assert page.ask("$('found').hidden")
    page.ask("$('tag').value = ''")
    for text, reason in (("grin", "There is no tag grin."), ("smile:1.5", "The weight of smile")):
        typed(page, text)
        assert page.ask("$('state').textContent").startswith(reason)
        page.ask("$('tag').value = ''")
    drawn(page, weight0=0.4)
    assert page.ask("drawn.labels") == [[0, 0.4], [2, 1]]
    page.ask("$('chips').querySelector('button').click()")
    assert page.ask("labels()") == [[0, 0.4]]
    page.ask("document.activeElement.blur()")


def test_the_active_tag_is_in_sight_in_a_small_window(page: Browser) -> None:
    untagged(page)
    page.show(844, 200, mobile=True)  # a phone on its side, above its keyboard
    page.ask("document.activeElement.blur(); $('tag').focus(); $('tag').scrollIntoView(false)")
    page.press("ArrowUp")
    box = "%s.getBoundingClientRect()"
    assert page.ask(f"{box % 'active()'}.bottom <= {box % '$(`bar`)'}.top")
    page.ask("document.activeElement.blur()")
    page.show(1280, 800)


def test_tags_are_typed_with_spaces_and_capitals_too(page: Browser) -> None:
    untagged(page)
    page.ask("facts.classes[1] = 'Big smile: 1'; 0")
    assert page.ask(
        "['E  H', 'g smile:', 'big_'].map((text) => fitting(text).map(([, n]) => n))"
    ) == [
        *([2], [1], [1]),
    ]
    for text in ("Blue  hair:0.5", "Big smile: 1", "big_smile: 1:0.5"):
        typed(page, text)
    assert page.ask("[labels(), $('state').textContent]") == [[[1, 0.5], [2, 0.5]], ""]
    page.ask("facts.classes[1] = 'smile'; document.activeElement.blur()")


def test_what_was_wrong_with_a_tag_is_not_said_of_the_next(page: Browser) -> None:
    untagged(page)
    page.ask("$('tag').value = ''")
    typed(page, "grin")
    page.ask("$('tag').value = ''; suggest()")
    page.ask("$('found').firstChild.dispatchEvent(new Event('pointerdown', { bubbles: true }))")
    assert page.ask("[labels(), $('state').textContent]") == [[[0, 1]], ""]
    page.ask("document.activeElement.blur()")


def test_a_network_of_classes_has_one_until_others_are_chosen(page: Browser) -> None:
    untagged(page)
    page.ask("facts.tags = false; put(1, 1)")
    assert page.ask("labelsInRecord(labels())") == {"class": "smile"}
    typed(page, "plain:0.5")
    assert page.ask("labelsInRecord(labels())")["labels"] == {"plain": 0.5, "smile": 1}
    typed(page, "blue_hair")
    assert page.ask("labelsInRecord(labels())") == {"class": "blue_hair"}
    page.press("Backspace")
    page.ask("$('chips').querySelector('button').click()")
    assert page.ask("labelsInRecord(labels())") == {"class": "blue_hair"}
    assert page.ask("$('state').textContent") == "This network needs a class: choose another."
    page.ask("facts.tags = true; say(''); document.activeElement.blur()")


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
    untagged(page)
    typed(page, "smile")
    page.ask("document.activeElement.blur()")
    here = drawn(page, a=5, b=7, share=0, mix=0, psi=0.6)
    page.press("d")
    page.until(lambda: (tmp_path / "seed5.png").exists())
    pixels, facts = wanted(tmp_path / "seed5.png")
    assert (pixels[..., :3] == here).all()
    assert facts.pop("sha256") and facts == {
        **{"seed": 5, "psi": 0.6, "network": "n.pkl", "tags": [["smile", "general", 1]]},
    }


def test_a_gpu_that_fails_is_given_up(page: Browser) -> None:
    untagged(page)
    wanted = drawn(page, a=5, share=0, mix=0, psi=0.6)
    page.ask("engine = 'webgpu'; 0")  # that its engine does not have
    assert (drawn(page, a=5) == wanted).all()
    assert page.ask("[engine, $('state').textContent]") == ["wasm", ""]


@pytest.mark.parametrize(
    ("webgpu", "wasm", "away", "engine"),
    [(1, 2, 2, "webgpu"), (1, 2, 3, "wasm"), (2, 1, 0, "wasm")],
)
def test_a_gpu_is_taken_if_its_picture_is_the_same_and_faster(
    page: Browser, webgpu: float, wasm: float, away: int, engine: str
) -> None:
    pixels = "canvas.getContext('2d').getImageData(0, 0, facts.width, facts.height).data"
    moved = f"{pixels}.map((level) => (level < 128 ? level + {away} : level))"
    page.ask(f"choose({{ webgpu: {webgpu}, wasm: {wasm}, pixels: {moved} }})")
    assert page.ask("engine") == engine
    page.ask("engine = 'wasm'; choose(null)")
    assert page.ask("engine") == "wasm"


# What the page sees of a GPU: one that is said to be no software, or none behind a promise of one.
HARDWARE = """
const before = navigator.gpu.requestAdapter.bind(navigator.gpu);
navigator.gpu.requestAdapter = async () => (await before()) && { info: {} };
"""
NONE = "navigator.gpu.requestAdapter = async () => ({ info: {} });"


def test_a_gpu_draws_what_sggen_draws(folder: Path, tmp_path: Path) -> None:
    options = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
    with opened(folder / "site", tmp_path, *options, before=HARDWARE) as page:
        page.wait(1)
        if not page.ask("gpu"):
            pytest.skip("this Chromium has no WebGPU in software")
        told = page.ask("$('load').textContent")
        assert page.ask("$('load').click()") is None
        page.until("tried && !busy && !wanted")
        assert loaded(page) == told.removeprefix("Load ") != page.ask("PARTS.size")
        page.ask("engine = 'webgpu'; 0")  # in software it is slower, and was not taken
        pixels, facts = wanted(folder / "edited/seed0008.png")
        typed(page, "blue_hair")
        found = drawn(page, a=8, psi=0.6, share=0, mix=0, edit0=1.5, edit1=-2, edit2=3)
        assert page.ask("engine") == "webgpu"
        assert np.abs(found - pixels).max() <= 2, facts
        assert page.troubles == []


def test_without_what_a_gpu_needs_the_other_engine_draws(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "site", tmp_path / "site")
    pixels, facts = wanted(folder / "images/seed0005.png")
    with opened(tmp_path / "site", tmp_path / "profile", before=NONE) as page:
        for is_there in (True, False):
            page.until("gpu")
            page.ask("$('load').click()")
            page.until("facts && !busy && !wanted")
            assert page.ask("[gpu, engine, $('state').textContent]") == [is_there, "wasm", ""]
            typed(page, "smile")
            found = drawn(page, a=facts["seed"], psi=facts["psi"], share=0, mix=0)
            assert np.abs(found - pixels).max() <= 2
            assert page.ask("document.querySelector('.size').textContent") == loaded(page)
            for program in (tmp_path / "site/assets").glob("gpu_engine.*"):
                program.unlink()
            page.open(page.ask("location.href"))


def test_everybody_can_use_it_and_nothing_else_is_loaded(page: Browser) -> None:
    host = page.ask("location.origin")
    assert all(address.startswith((host, "blob:")) for address in page.requests)
    assert troubles(page) == []
    if AXE.exists():
        page.show(390, 844, still=True, mobile=True)
        assert (
            page.ask("document.documentElement.scrollWidth") <= 390
        )  # innerWidth would grow with it
        page.ask(AXE.read_text() + "; 0")
        found = page.ask("axe.run().then((all) => all.violations)")
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []


def test_a_later_run_keeps_the_network(folder: Path) -> None:
    files = sorted(path.name for path in (folder / "site/assets").iterdir())
    done = quick("waifusite -o site --title Another images", folder)
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
        assert live.exported(str(tmp_path / "n.pkl")) is None


def test_a_network_that_is_too_large_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.write(str(tmp_path / "n.pkl"), snapshot())
    monkeypatch.setattr(live, "MOST_BYTES", 1000)
    with pytest.warns(Advice, match=r"n\.pkl would be [\d.]+ kB in a page, more than 1.0 kB"):
        assert live.exported(str(tmp_path / "n.pkl")) is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--directions d.npz", "--directions is for --live"),
        (
            "--live n.pkl --directions wide.npz",
            "wide.npz: directions in w of 9 numbers; this network has 8",
        ),
        (
            "--live n.pkl --directions many.npz",
            "151 directions, and a page has sliders for 150",
        ),
        ("--live n.pkl --directions n.pkl", "n.pkl: not a file of directions"),
        ("--live n.pkl --directions none.npz", "none.npz cannot be read: No such file"),
    ],
)
def test_directions_that_cannot_be_are_one_sentence(
    folder: Path, tmp_path: Path, options: str, reason: str
) -> None:
    for name in ("n.pkl", "d.npz", "images"):
        (tmp_path / name).symlink_to(folder / name)
    for name, count, width in (("wide", 1, 9), ("many", 151, 8)):
        vector = np.eye(width, dtype=np.float32)[0]
        made = Directions(tuple(Direction(f"d{n}", vector, 1.0) for n in range(count)))
        (tmp_path / f"{name}.npz").write_bytes(made.encode())
    for run in ("waifusite", "waifusite -n"):
        done = quick(f"{run} {options} images", tmp_path)
        assert done.returncode == 2
        assert reason in done.stderr
        assert not (tmp_path / "site").exists()


def test_an_engine_that_cannot_be_had_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"which cannot be downloaded .*leave out --live"):
        engine.engine("http://127.0.0.1:9/x.tgz", folder=str(tmp_path))
    assert not list(tmp_path.iterdir())
