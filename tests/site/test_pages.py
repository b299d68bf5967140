"""The pages of a site in a real browser, opened from the disk as a visitor may."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from animetools.images.files import encode_png
from tests.browser import PROGRAM, Browser
from tests.commands.test_waifusite import face, strip
from tests.conftest import ROOT, bash

AXE = ROOT / ".venv/node_modules/axe-core/axe.min.js"  # .ci/run puts it there
PAGES = ("index", "grid", "scroll", "psi")
HOSTILE = "<img src=x onerror=hacked=1><script>hacked=1</script>\u2028&amp;"
SHOWN = "document.querySelector('#stage img')"
NUMBER = f"Number({SHOWN}?.src.match(/(\\d+)\\.png$/)[1] ?? NaN)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of six seeds at two psi; each has a text, and the last one a hostile one."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "t").mkdir()
    for seed in range(6):
        for psi in (0.5, 1):
            face(folder / f"in/{seed}-{psi}.png", seed, psi, 64)
        text = HOSTILE if seed == 5 else f"Title {seed}|Text {seed}. " + "Words and words. " * 30
        (folder / f"t/snippet-{seed}.txt").write_text(text)
    done = bash("waifusite --snippets t in/", folder)
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not PROGRAM:
        pytest.skip("chromium is not installed")
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(running: Browser) -> Browser:
    """The browser, with a window and no preferences."""
    running.show()
    return running


def opened(browser: Browser, site: Path, page: str, *, clock: bool = False) -> None:
    browser.open(f"file://{site}/{page}.html", clock=clock)
    browser.until("document.querySelectorAll('main img').length > 0")


def settled(browser: Browser) -> int:
    """The number of the face that is shown, when the next one is loaded."""
    browser.ask("next.then(() => true)")
    return int(browser.until(f"{NUMBER} + 1")) - 1


@pytest.mark.parametrize("page", PAGES)
def test_pages_load_what_is_theirs_and_fit_every_window(
    browser: Browser, site: Path, page: str
) -> None:
    seen = set()
    for width, height, dark in ((320, 568, False), (1440, 900, True), (3840, 2160, False)):
        browser.show(width, height, dark=dark, mobile=width == 320)
        opened(browser, site, page)
        browser.until("[...document.images].filter((one) => one.naturalWidth).length > 0")
        assert browser.troubles == []
        assert all(address.startswith(f"file://{site}/") for address in browser.requests)
        menu = "document.querySelector('nav ul')"
        browser.ask(
            f"{menu}.insertAdjacentHTML('beforeend', '<li><a href=live.html>Live</a></li>')"
        )
        assert browser.ask("document.documentElement.scrollWidth") <= width
        assert browser.ask("[...document.images].every((one) => one.hasAttribute('alt'))")
        seen.add(browser.ask("getComputedStyle(document.body).backgroundColor"))
    assert len(seen) == 2


def test_a_new_pair_every_15_seconds_swapped_at_once(browser: Browser, site: Path) -> None:
    opened(browser, site, "index", clock=True)
    history = browser.ask("history.length")
    for _ in range(5):
        first = settled(browser)
        title = browser.ask("document.getElementById('name').textContent")
        seed = first // 2
        assert title == (f"Title {seed}" if seed < 5 else "")
        browser.pass_time(14.9)
        assert settled(browser) == first
        browser.pass_time(0.2)
        browser.until(f"{NUMBER} !== {first}")
    assert browser.ask("history.length") == history
    assert browser.troubles == []


def test_buttons_and_keys(browser: Browser, site: Path) -> None:
    opened(browser, site, "index", clock=True)
    first = settled(browser)
    browser.press("s")
    browser.pass_time(100)
    assert settled(browser) == first
    assert browser.ask("$('stop').textContent") == "Go"
    browser.press("n")
    browser.until(f"{NUMBER} !== {first}")
    second = settled(browser)
    browser.pass_time(100)
    assert settled(browser) == second
    browser.ask("$('stop').click()")
    browser.pass_time(15.1)
    browser.until(f"{NUMBER} !== {second}")
    browser.press("l")
    assert browser.ask("document.body.className") == "index large"
    browser.press("Escape")
    assert browser.ask("document.body.className") == "index"
    assert not browser.ask("$('about').open")
    browser.press("i")
    facts = browser.ask("$('facts').innerText.split(/\\s+/).join(' ')")
    seed, psi = settled(browser) // 2, (0.5, 1)[settled(browser) % 2]
    assert facts == f"Seed {seed} Psi {psi} Network n.pkl"
    browser.ask("$('another').focus()")
    third = settled(browser)
    browser.ask("document.activeElement.click()")
    browser.until(f"{NUMBER} !== {third}")


def test_a_text_is_shown_and_never_run(browser: Browser, site: Path) -> None:
    opened(browser, site, "index", clock=True)
    browser.ask("let flip = 0; Math.random = () => ((flip ^= 1) ? 0.99 : 0.9)")  # both of seed 5
    browser.ask("another().then(another).then(another)")
    assert settled(browser) // 2 == 5
    assert browser.ask("$('text').textContent") == HOSTILE
    assert browser.ask("window.hacked === undefined && !$('text').children.length")


def test_missing_files_cost_only_themselves(browser: Browser, site: Path, tmp_path: Path) -> None:
    bash(f"cp -r {site} site && rm site/images/0/[0-9].png site/pairs/0/10.js", tmp_path)
    opened(browser, tmp_path / "site", "index", clock=True)
    seen = set()
    for _ in range(6):
        seen.add(settled(browser))
        if settled(browser) == 10:
            assert browser.ask("document.body.className") == "index silent"
        browser.ask("another()")
    assert seen == {10, 11}
    assert all("ERR_FILE_NOT_FOUND" in trouble for trouble in browser.troubles)
    bash("rm site/images/0/*", tmp_path)
    browser.open(f"file://{tmp_path}/site/index.html", clock=True)
    browser.until("$('text').textContent === 'The pictures are not to be had just now.'")


def test_memory_stays_after_a_thousand_swaps(browser: Browser, site: Path) -> None:
    opened(browser, site, "index", clock=True)
    swaps = "(async () => { for (let n = 0; n < %d; n += 1) await another(); })()"
    browser.ask(swaps % 100)
    before = browser.memory()
    browser.ask(swaps % 1000)
    after = browser.memory()
    assert after["nodes"] < before["nodes"] + 100
    assert after["heap"] < before["heap"] + 500_000
    assert browser.troubles == []


def test_a_wall_keeps_changing_until_it_is_stopped(browser: Browser, site: Path) -> None:
    opened(browser, site, "grid", clock=True)
    faces = "[...document.querySelectorAll('.tile')].map((one) => one.src).join()"
    browser.until("document.querySelectorAll('.tile').length === wall.children.length")
    first = browser.ask(faces)
    browser.pass_time(10)
    browser.until(f"{faces} !== {first!r}")
    browser.press("s")
    browser.wait(0.3)
    stopped = browser.ask(faces)
    browser.pass_time(10)
    browser.wait(0.3)
    assert browser.ask(faces) == stopped
    count = browser.ask("wall.children.length")
    browser.press("+")
    assert browser.ask("wall.children.length") < count


def test_a_wall_has_no_end_and_no_more_rows(browser: Browser, site: Path) -> None:
    browser.show(1280, 800, still=True)
    opened(browser, site, "scroll")
    before, nodes = browser.memory(), browser.ask("wall.getElementsByTagName('*').length")
    travel = """(async () => {
      for (let n = 0; n < %d; n += 1) {
        scrollBy(0, %d);
        await new Promise(requestAnimationFrame);
      }
    })()"""
    browser.ask(travel % (250, 400))
    assert browser.ask("scrollY") == 100_000
    filled = "[150, 400, 700].every((y) => document.elementFromPoint(600, y)?.matches('.row img'))"
    assert browser.ask(filled)
    browser.ask(travel % (30, 40_000))  # beyond the end
    assert browser.ask("base > 0 && scrollY < HEIGHT")
    assert browser.ask(filled)
    browser.ask(travel % (40, -40_000))  # and back to the beginning
    assert browser.ask("base === 0 && scrollY === 0")
    after = browser.memory()
    assert browser.ask("wall.getElementsByTagName('*').length") == nodes
    assert after["nodes"] < before["nodes"] + 100
    assert after["heap"] < before["heap"] + 500_000
    assert browser.troubles == []
    order = browser.ask("Array.from({ length: COUNT }, (_, k) => face(k))")
    assert sorted(order) == list(range(12))


def test_a_wall_stays_where_it_is_when_the_bars_of_a_phone_come_and_go(
    browser: Browser, site: Path
) -> None:
    browser.show(390, 700, still=True, mobile=True)
    opened(browser, site, "scroll")
    browser.ask("window.kept = wall.firstElementChild")
    browser.show(390, 760, still=True, mobile=True)
    browser.until("innerHeight === 760")
    browser.wait(0.1)
    assert browser.ask("kept.isConnected")
    browser.show(500, 760, still=True, mobile=True)
    browser.until("!kept.isConnected")


@pytest.mark.parametrize("page", ["index", "psi"])
def test_a_phone_on_its_side_shows_words_beside_the_face(
    browser: Browser, site: Path, page: str
) -> None:
    browser.show(844, 390, still=True, mobile=True)
    opened(browser, site, page)
    box = "%s.getBoundingClientRect()"
    assert browser.ask(f"{box % '$(`story`)'}.left >= {box % '$(`stage`)'}.right")


def test_a_slider_over_psi(browser: Browser, site: Path) -> None:
    browser.show(still=True)
    opened(browser, site, "psi")
    browser.until("steps.length === 2 && $('seed').textContent")
    browser.ask("slider = sliders[0]; 0")
    opacity = "[...$('stage').children].map((one) => Number(one.style.opacity))"
    for psi, wanted in ((0.5, [1, 0]), (0.75, [1, 0.5]), (1, [1, 1])):
        browser.ask(f"slider.value = {psi}; slider.dispatchEvent(new Event('input'))")
        assert browser.ask("slider.previousSibling.textContent") == f"{psi:.2f}"
        shown = browser.ask(opacity)
        assert shown[1] == wanted[1] and (psi == 0.5 or shown[0] == 1)
    browser.press("ArrowLeft")
    assert browser.ask("slider.previousSibling.textContent") == "0.99"
    first = browser.ask("steps[0].number")
    browser.ask("another()")
    assert browser.ask("steps[0].number") != first
    assert browser.troubles == []


def test_another_set_comes_while_the_slider_moves(browser: Browser, site: Path) -> None:
    opened(browser, site, "psi")
    assert browser.ask("going")
    first = browser.until("steps.length && shown + 1")
    browser.press("n")
    browser.until(f"shown + 1 !== {first} && $('stage').querySelector('[alt^=A]') !== null")
    assert browser.ask("going") and browser.troubles == []


def test_a_slider_for_each_edit_goes_where_pictures_are(browser: Browser, tmp_path: Path) -> None:
    strip(tmp_path / "in/a.png", "smile=1", "-2,0,2")
    strip(tmp_path / "in/b.png", "hat=1", "0,1")
    assert bash("waifusite in/", tmp_path).returncode == 0
    browser.show(390, 844, still=True, mobile=True)
    opened(browser, tmp_path / "site", "psi")
    browser.until("$('seed').textContent === 'This is seed 3.'")
    assert browser.ask("[$('psi').hidden, $('edit').hidden]") == [True, False]
    assert browser.ask("fields") == ["hat", "smile"]
    at = "sliders.map((one) => Number(one.value))"
    images = "[...$('stage').children].map((one) => Number(one.src.match(/(\\d+).png/)[1]))"
    assert browser.ask(f"[{at}, {images}]") == [[0, 0], [1, 3]]
    move = "(async () => { sliders[%d].value = %s; active = %d; await draw(); return %s; })()"
    assert browser.ask(move % (1, -1, 1, f"[{at}, {images}]")) == [[0, -1], [2, 1, 0]]
    assert browser.ask("[...$('stage').children].map((one) => one.alt).join('')") == (
        "A drawn face at hat 0, smile -1"
    )
    assert browser.ask(move % (0, 1, 0, at)) == [1, 0]  # no picture has a hat and a smile
    assert browser.troubles == []


@pytest.mark.parametrize("steps", ["-1,-0.67,-0.34,0.005", "0,0.01,0.02,0.03"])
def test_a_slider_reaches_all_pictures(browser: Browser, tmp_path: Path, steps: str) -> None:
    strip(tmp_path / "in/a.png", "smile=1", steps)
    assert bash("waifusite in/", tmp_path).returncode == 0
    browser.show(still=True)
    opened(browser, tmp_path / "site", "psi")
    browser.until("$('seed').textContent")
    for step in steps.split(","):
        browser.ask(f"sliders[0].value = {step}; draw()")
        assert browser.ask("Number(sliders[0].value)") == float(step)
    assert browser.ask("(sliders[0].max - sliders[0].min) / sliders[0].step") >= 20


def test_what_moves_is_still_for_who_wants_it(browser: Browser, site: Path) -> None:
    browser.show(still=True)
    for page in PAGES:
        opened(browser, site, page)
        browser.wait(0.2)
        assert browser.ask("document.getAnimations().length") == 0
        if page != "index":
            assert browser.ask("$('stop').textContent") == "Go"


@pytest.mark.parametrize("page", PAGES)
def test_everybody_can_use_it(browser: Browser, site: Path, page: str) -> None:
    if not AXE.exists():
        pytest.skip(f"axe-core is not in {AXE.parent}: .ci/run puts it there")
    for dark in (False, True):
        browser.show(dark=dark, still=True)
        opened(browser, site, page)
        browser.ask(AXE.read_text() + "; 0")
        found = browser.ask("axe.run().then((all) => all.violations)")
        assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found] == []


def test_one_face_is_a_site(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(encode_png(np.full((30, 20, 3), 99, np.uint8)))
    assert bash("waifusite one.png", tmp_path).returncode == 0
    for page in PAGES[:3]:
        opened(browser, tmp_path / "site", page, clock=True)
        assert browser.troubles == []
    assert browser.ask("document.querySelector('nav').innerText.includes('Sliders')") is False
