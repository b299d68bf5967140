"""sgvideo from outside: films are decoded again by PyAV, by ffprobe and by a browser where there is one."""

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from animetools.commands.sgvideo import VideoOptions, dtype_of
from animetools.editing.directions import Direction, Directions
from animetools.films.steps import step_errors, variation
from animetools.images.files import encode_jpeg, encode_png
from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.networks import fast
from animetools.networks.stylegan2 import modules as stylegan2
from animetools.networks.stylegan2.config import StyleGAN2GeneratorConfig
from tests.conftest import HANGS, ROOT, Shell, within_a_second
from tests.quick import quick, start
from tests.tiny import MAPPING, SIZE, snapshot, state

NETWORK = "--network network.pkl"
SOUND = 48_000  # samples a second

Frames = NDArray[np.uint8]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Network files of a few thousand numbers, and a sound."""
    folder = tmp_path_factory.mktemp("films")
    checkpoints.write(str(folder / "network.pkl"), snapshot())
    checkpoints.write(str(folder / "other.pkl"), snapshot(seed=7))
    checkpoints.write(
        str(folder / "tagged.pkl"), snapshot(c_dim=2, labels=["smile", "hat"], tags=True)
    )
    checkpoints.write(str(folder / "grey.pkl"), snapshot(image_channels=1))
    config = StyleGAN2GeneratorConfig(MAPPING, (8, 8))
    network = SavedNetwork(config, state(stylegan2.Generator(config), 0))
    checkpoints.write(str(folder / "small.pkl"), NetworkFile("animetools", {"G_ema": network}, {}))
    vector = np.eye(1, MAPPING.w_dim, dtype=np.float32)[0]
    smile = Directions((Direction("smile", vector, 2.0),))
    (folder / "smile.npz").write_bytes(smile.encode())
    write_sound(folder / "sound.wav", clicks())
    (folder / "text.mp3").write_text("a text")
    return folder


@pytest.fixture
def here(films: Path, tmp_path: Path) -> Path:
    for path in films.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def clicks(seconds: float = 1.0) -> NDArray[np.float32]:
    """Silence, with a loud note at each third of a second from the half on."""
    at = np.arange(round(seconds * SOUND)) / SOUND
    sound = np.sin(2 * np.pi * 880 * at) * np.exp(-20 * (at % (1 / 3))) * (at > 0.5)
    return sound.astype(np.float32)


def write_sound(path: Path, sound: NDArray[np.float32]) -> None:
    with av.open(str(path), "w") as box:
        stream = box.add_stream("pcm_f32le", rate=SOUND, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound[None], "flt", "mono")
        frame.sample_rate = SOUND
        box.mux(stream.encode(frame))
        box.mux(stream.encode(None))


def decoded(path: Path) -> Frames:
    """The frames of a film, [n, H, W, 3]."""
    with av.open(str(path)) as box:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in box.decode(video=0)])


def made(line: str, folder: Path) -> Path:
    """The film that a line makes."""
    done = quick(f"sgvideo {line}", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return folder / done.stdout.strip()


def pngs(folder: Path) -> Frames:
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))])


# Files


@pytest.mark.parametrize(
    ("kind", "codec"), [("mp4", "h264"), ("webm", "vp9"), ("gif", "gif"), ("apng", "apng")]
)
def test_a_film_is_what_its_record_says(here: Path, kind: str, codec: str) -> None:
    line = f"walk {NETWORK} --grid 3x2 --fps 10 --seconds 1.2 --seed 4 --format {kind}"
    done = quick(f"sgvideo {line} --json", here)
    record = json.loads(done.stdout)
    path = here / record.pop("path")
    assert path == here / f"videos/walk-4.{kind}"
    assert (record["film"], record["seed"], record["network"]) == ("walk", 4, "network.pkl")
    assert (record["frames"], record["width"], record["height"]) == (12, 3 * SIZE, 2 * SIZE)
    with av.open(str(path)) as box:
        video = box.streams.video[0]
        shown = [frame.time + 0.1 for frame in box.decode(video)]
        assert video.codec_context.name == codec
        assert (video.width, video.height, len(shown)) == (3 * SIZE, 2 * SIZE, 12)
        assert shown[-1] == pytest.approx(1.2, abs=0.02)
        if kind in ("mp4", "webm"):
            assert box.duration == 1_200_000
            assert video.codec_context.pix_fmt == "yuv420p"
            origin = {key.lower(): text for key, text in box.metadata.items()}["comment"]
        elif kind == "apng":
            with Image.open(path) as image:
                origin = image.text["Description"]  # type: ignore[attr-defined]
        else:
            origin = re.findall(rb"\x21\xfe.(\{.*)\0;", path.read_bytes(), re.S)[0]
            origin = re.sub(rb"(?<=^.{255}).", b"", origin, flags=re.S).decode()
    assert json.loads(origin) == record
    if kind == "mp4":
        data = path.read_bytes()
        assert data.index(b"moov") < data.index(b"mdat")  # so that a browser begins at once


def test_ffprobe_agrees(here: Path) -> None:
    if not shutil.which("ffprobe"):
        pytest.skip("ffprobe is not installed")
    for kind in ("mp4", "webm"):
        path = made(f"walk {NETWORK} --fps 8 --seconds 1 --format {kind}", here)
        ask = "stream=width,height,nb_read_frames,pix_fmt,r_frame_rate:format=duration"
        words = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", ask, "-of", "json"]
        done = subprocess.run([*words, path], capture_output=True, text=True)
        found = json.loads(done.stdout)
        (stream,) = found["streams"]
        assert (stream["width"], stream["height"], stream["nb_read_frames"]) == (SIZE, SIZE, "8")
        assert (stream["pix_fmt"], stream["r_frame_rate"]) == ("yuv420p", "8/1")
        assert float(found["format"]["duration"]) == 1


PAGE = b"""<video id=v muted src=film></video><script>
const say = (...words) => fetch('done?' + words.join())
v.onloadeddata = () => v.play()
v.onended = () => say(v.videoWidth, v.videoHeight, v.duration, v.currentTime)
v.onerror = () => say(v.error.message)
</script>"""


def played(browser: str, film: Path, profile: Path) -> str:
    """What the page says of a film that a browser has played to its end."""
    said: queue.Queue[str] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/done?"):
                said.put(self.path[6:])
            kind = {".mp4": "video/mp4", ".webm": "video/webm"}[film.suffix]
            data, kind = (film.read_bytes(), kind) if self.path == "/film" else (PAGE, "text/html")
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    words = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        shown = subprocess.Popen(
            [*words, "--autoplay-policy=no-user-gesture-required", address],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return said.get(timeout=HANGS)
        finally:
            os.killpg(shown.pid, signal.SIGKILL)
            shown.wait()
            server.shutdown()


def test_a_browser_plays_it(here: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        pytest.skip("chromium is not installed")
    path = made(f"music sound.wav {NETWORK} --fps 8 --grid 8x4", here)
    wide, high, length, end = map(float, played(browser, path, here / "profile").split(","))
    assert (wide, high) == (8 * SIZE, 4 * SIZE)
    assert length == pytest.approx(1, abs=0.05)
    assert end == length


def test_frames_are_the_same_whatever_the_batch_and_jobs(here: Path) -> None:
    line = f"sgvideo walk {NETWORK} --grid 2x1 --seconds 3.5 --noise random"  # more than one block
    first = quick(f"{line} -j 1 --batch 1 --frames one", here)
    assert first.returncode == 0
    assert first.stdout.split()[:2] == ["one/walk-0-00000.png", "one/walk-0-00001.png"]
    quick(f"{line} -j 4 --batch 3 --frames other", here)
    frames = pngs(here / "one")
    assert frames.shape == (70, SIZE, 2 * SIZE, 3)
    assert (frames == pngs(here / "other")).all()
    assert (frames[:, :, :SIZE] != frames[:, :, SIZE:]).any()
    both = [quick(f"{line} -j {jobs} -o {jobs}", here).stdout.strip() for jobs in (1, 3)]
    assert (here / both[0]).read_bytes() == (here / both[1]).read_bytes()
    with Image.open(here / "one/walk-0-00003.png") as image:
        assert json.loads(image.info["Description"])["frame"] == 3


def test_only_what_loses_more_anyway_is_drawn_in_bf16() -> None:
    native = fast.native(torch.bfloat16) == torch.bfloat16
    assert dtype_of(VideoOptions(device="cpu")) == ("bf16" if native else "fp32")
    assert dtype_of(VideoOptions(device="cpu", format="apng")) == "fp32"
    assert dtype_of(VideoOptions(device="cpu", frames="frames")) == "fp32"
    assert dtype_of(VideoOptions(device="cpu", dtype="fp32")) == "fp32"


def test_odd_sizes_become_even_where_they_must(here: Path) -> None:
    for n in range(2):
        level = np.full((15, 17, 3), 100 * n, np.uint8)
        (here / f"{n}.jpg").write_bytes(encode_jpeg(level, 95))
    done = quick("sgvideo montage 0.jpg 1.jpg", here)
    assert "made 18x16, since H.264 and VP9 take even sizes only" in done.stderr
    frames = decoded(here / done.stdout.strip())
    assert frames.shape == (2, 16, 18, 3)
    assert np.abs(frames.astype(int) - [[[[0]]], [[[100]]]]).max() < 6
    assert decoded(made("montage 0.jpg 1.jpg --format gif", here)).shape == (2, 15, 17, 3)


# What films show


def test_a_walk_is_smooth_and_its_end_leads_to_its_beginning(here: Path) -> None:
    quick(f"sgvideo walk {NETWORK} --seconds 3 --frames f", here)
    errors = list(step_errors(iter(pngs(here / "f"))))
    assert errors[-1] < 2 * max(errors[:-1])
    far = list(step_errors(iter(pngs(here / "f")[::15])))
    assert np.mean(far) > 5 * np.mean(errors)


def test_every_step_of_a_circle_changes_the_picture_by_as_much(here: Path) -> None:
    quick(f"sgvideo circular {NETWORK} --seconds 3 --frames f", here)
    errors = np.array(list(step_errors(iter(pngs(here / "f")))))
    assert len(errors) == 60
    assert variation(errors) < 0.1


def test_between_begins_and_ends_with_the_faces_that_sggen_draws(here: Path) -> None:
    quick(f"sggen {NETWORK} --seeds 5,9 --psi 0.7", here)
    five, nine = (np.asarray(Image.open(here / f"images/seed000{n}.png")) for n in (5, 9))
    for space in ("z", "w"):
        line = f"sgvideo between 5 9 5 {NETWORK} --psi 0.7 --seconds 0.45 --space {space}"
        quick(f"{line} --frames {space}", here)
        frames = pngs(here / space).astype(int)
        assert len(frames) == 9
        for at, face in ((0, five), (4, nine), (8, five)):
            assert np.abs(frames[at] - face).max() <= 1
        assert np.abs(frames[2] - five).max() > 1 < np.abs(frames[2] - nine).max()


def test_between_tags(here: Path) -> None:
    quick("sggen --network tagged.pkl --seeds 3 --tags smile:0.5", here)
    quick("sggen --network tagged.pkl --seeds 8 --tags hat", here)
    half, last = (np.asarray(Image.open(here / f"images/seed000{n}.png")) for n in (3, 8))
    line = "sgvideo between 3 smile hat 8 --network tagged.pkl --space z --seconds 0.35"
    done = quick(f"{line} --frames f", here)
    assert done.returncode == 0, done.stderr
    frames = pngs(here / "f").astype(int)
    assert np.abs(frames[1] - half).max() <= 1  # halfway from no tags to smile
    assert np.abs(frames[6] - last).max() <= 1
    done = quick("sgvideo between smile sword --network tagged.pkl", here)
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no class 'sword' among smile, hat" in done.stderr


def test_a_walk_goes_through_the_tags_of_examples(here: Path) -> None:
    facts: dict[str, Any] = {"c_dim": 2, "labels": ["smile", "hat"], "tags": True}
    checkpoints.write(str(here / "alike.pkl"), snapshot(**facts, examples=[[0], [0]]))
    checkpoints.write(str(here / "others.pkl"), snapshot(**facts, examples=[[0], [1], [0, 1]]))
    for kind in ("walk", "circular", "fine"):
        line = f"sgvideo {kind} --seconds 0.5 --fps 40 --network"
        quick(f"{line} tagged.pkl --tags smile --frames {kind}-smile", here)
        quick(f"{line} alike.pkl --frames {kind}-alike", here)
        quick(f"{line} others.pkl --frames {kind}-others", here)
        quick(f"{line} others.pkl --tags=-hat --frames {kind}-lone", here)
        alike, smile, others, lone = (
            pngs(here / f"{kind}-{n}") for n in ("alike", "smile", "others", "lone")
        )
        if kind != "circular":  # whose steps are even by what is drawn
            assert np.array_equal(alike, smile)
            assert np.array_equal(alike, lone)  # one example is right
        assert len(others) == len(alike) == 20
        assert not np.array_equal(others, alike)


def test_edits_are_those_of_sgedit_and_go_to_and_fro(here: Path) -> None:
    edit = f"sgedit {NETWORK} --directions smile.npz --seeds 5 --psi 0.7 --edit"
    for amount in (2, -2):
        quick(f"{edit} smile={amount} -o {amount}", here)
    quick(f"sggen {NETWORK} --seeds 5,9 --psi 0.7", here)
    smiling, opposite, five, nine = (
        np.asarray(Image.open(here / path)).astype(int)
        for path in (
            "2/seed0005.png",
            "-2/seed0005.png",
            "images/seed0005.png",
            "images/seed0009.png",
        )
    )
    assert np.abs(smiling - opposite).max() > 1
    how = f"{NETWORK} --directions smile.npz --psi 0.7"

    done = quick(f"sgvideo edit smile=2 {how} --seeds 5 --seconds 0.4 --frames f --json", here)

    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[0])
    assert (facts["film"], facts["of"]) == ("edit", ["smile=2"])
    assert (facts["seeds"], facts["directions"]) == ("5", ["smile.npz"])
    frames = pngs(here / "f").astype(int)
    assert len(frames) == 8
    for at, face in ((0, smiling), (4, opposite)):
        assert np.abs(frames[at] - face).max() <= 1
    assert all((frames[n] == frames[-n]).all() for n in range(1, 4))

    for space in ("z", "w"):
        line = f"sgvideo between 5 5+smile=2 9 {how} --seconds 0.45 --space {space}"
        quick(f"{line} --frames {space}", here)
        frames = pngs(here / space).astype(int)
        for at, face in ((0, five), (4, smiling), (8, nine)):
            assert np.abs(frames[at] - face).max() <= 1


def test_coarse_shows_fixed_faces_a_walk_and_both_in_one(here: Path) -> None:
    quick(f"sgvideo coarse {NETWORK} --seeds 5,9 --seconds 0.3 --frames f", here)
    quick(f"sggen {NETWORK} --seeds 5,9", here)
    frames = pngs(here / "f")
    assert frames.shape == (6, 2 * SIZE, 3 * SIZE, 3)
    corner, *faces = np.split(frames[:, :SIZE], 3, axis=2)
    assert (corner == 255).all()
    for face, seed in zip(faces, (5, 9), strict=True):
        drawn = np.asarray(Image.open(here / f"images/seed000{seed}.png")).astype(int)
        assert np.abs(face - drawn).max() <= 1
    assert all((part[0] != part[3]).any() for part in np.split(frames[:, SIZE:], 3, axis=2))


def test_truncate_goes_to_the_opposite_and_back(here: Path) -> None:
    quick(f"sggen {NETWORK} --seeds 5 --psi 1,-1 --name '{{psi}}.png'", here)
    quick(f"sgvideo truncate {NETWORK} --seeds 5 --seconds 0.4 --frames f", here)
    frames = pngs(here / "f").astype(int)
    for at, psi in ((0, "1"), (4, "-1")):
        drawn = np.asarray(Image.open(here / f"images/{psi}.png"))
        assert np.abs(frames[at] - drawn).max() <= 1
    assert all((frames[n] == frames[-n]).all() for n in range(1, 4))


def test_cross_goes_from_network_to_network_and_montage_shows_each(here: Path) -> None:
    for name in ("network", "other"):
        quick(f"sggen --network {name}.pkl --seeds 0-1 --grid 2x1 -o {name}", here)
    sheets = [
        np.asarray(Image.open(here / n / "seed0000-seed0001.png")) for n in ("network", "other")
    ]
    quick("sgvideo cross network.pkl other.pkl --grid 2x1 --seconds 0.25 --frames f", here)
    frames = pngs(here / "f").astype(int)
    assert len(frames) == 5
    assert np.abs(frames[0] - sheets[0]).max() <= 1 >= np.abs(frames[-1] - sheets[1]).max()
    assert all((one != other).any() for one, other in pairwise(frames))
    quick("sgvideo montage network.pkl other.pkl --seeds 0-1 --seconds 0.2 --frames m", here)
    shown = pngs(here / "m").astype(int)
    assert (shown[0] == shown[1]).all() and (shown[2] == shown[3]).all()
    assert np.abs(shown[1] - sheets[0]).max() <= 1 >= np.abs(shown[2] - sheets[1]).max()


def test_tags_of_faces_go_from_network_to_network_too(here: Path) -> None:
    facts: dict[str, Any] = {"c_dim": 2, "labels": ["smile", "hat"], "tags": True}
    for name, example in (("bare", [0]), ("hats", [0, 1])):
        checkpoints.write(str(here / f"{name}.pkl"), snapshot(**facts, examples=[example]))
    line = "sgvideo cross bare.pkl hats.pkl --tags smile --seconds 0.45 --frames f"
    quick(line, here)
    frames = pngs(here / "f").astype(int)
    steps = [np.abs(one - other).mean() for one, other in pairwise(frames)]
    assert np.abs(frames[0] - frames[-1]).mean() > 2 * max(steps)
    more = snapshot(c_dim=3, labels=["smile", "hat", "cap"], tags=True)
    checkpoints.write(str(here / "more.pkl"), more)
    done = quick("sgvideo montage bare.pkl more.pkl --tags smile --seconds 0.1 --frames m", here)
    assert done.returncode == 0, done.stderr


def test_montage_of_a_run(here: Path) -> None:
    (here / "run").mkdir()
    for n in range(3):
        level = np.full((32, 32, 3), 90 * n, np.uint8)
        (here / f"run/fakes00000{n}.000.jpg").write_bytes(encode_jpeg(level, 95))
    (here / "run/reals.jpg").write_bytes(b"")
    done = quick("sgvideo montage run --grid 2x2", here)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--grid is for what networks draw, not for pictures" in done.stderr
    frames = decoded(made("montage run --seconds 0.3", here))
    assert np.abs(frames.mean((1, 2, 3)) - [0, 0, 90, 90, 180, 180]).max() < 3


def test_music_is_heard_and_hastens_the_walk(here: Path) -> None:
    path = made(f"music sound.wav {NETWORK}", here)
    with av.open(str(path)) as box:
        heard = np.concatenate([f.to_ndarray()[0] for f in box.decode(audio=0)])[:SOUND]
        assert box.duration == pytest.approx(1_000_000, abs=50_000)
    sound = clicks()
    assert np.corrcoef(heard, sound)[0, 1] > 0.95  # and so at the same time
    assert len(decoded(path)) == 20
    quick(f"sgvideo music sound.wav {NETWORK} --frames f", here)
    errors = np.array(list(step_errors(iter(pngs(here / "f")))))
    assert errors[11:19].mean() > 4 * errors[:9].mean()


def test_upscaled_faces_are_what_animeupscale_makes(here: Path) -> None:
    quick(f"sgvideo fine {NETWORK} --seconds 0.1 --upscale --frames large", here)
    quick(f"sgvideo fine {NETWORK} --seconds 0.1 --frames small", here)
    done = quick("animeupscale small/fine-0-00001.png", here)
    enlarged = np.asarray(Image.open(here / done.stdout.strip())).astype(int)
    assert np.abs(pngs(here / "large")[1] - enlarged).max() <= 1


def test_a_grey_network(here: Path) -> None:
    frames = decoded(made("walk --network grey.pkl --seconds 0.1", here)).astype(int)
    assert np.ptp(frames, axis=3).max() < 6


def test_the_films_of_the_article(here: Path) -> None:
    done = quick(f"sgvideo --preset article {NETWORK} --seconds 0.2 --seeds 701 --json", here)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    names = ["random_grid_404.mp4", "interpolate.mp4", "fine_503.mp4"]
    assert [record["path"] for record in found] == [f"videos/{name}" for name in names]
    assert [(r["width"], r["height"], r["seed"]) for r in found] == [
        (2 * SIZE, 2 * SIZE, 404),
        (2 * SIZE, 2 * SIZE, 500),
        (SIZE, SIZE, 503),
    ]
    assert {(r["fps"], r["psi"], r["frames"]) for r in found} == {(20, 0.7, 4)}
    assert [record.get("seeds") for record in found] == [None, "701", "701"]


# What goes wrong


def test_the_network_that_ships_needs_no_directions(tmp_path: Path) -> None:
    fast = "--format gif --fps 10 --seconds 0.2 --grid 1x1"
    edit = quick(f"sgvideo edit smile=3 {fast} --json", tmp_path)
    assert json.loads(edit.stdout)["film"] == "edit", edit.stderr
    between = quick("sgvideo between 5 5+turn=3 --format gif --fps 10 --seconds 0.2", tmp_path)
    assert between.returncode == 0, between.stderr


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "name a kind of film: walk, "),
        ("dance", "'dance' is not a kind of film; they are walk, "),
        ("walk 5", "walk takes no arguments: leave out 5"),
        ("walk --seconds 0", "--seconds is at least 0.001, not 0"),
        ("walk --seconds nan", "--seconds takes a number, not 'nan'"),
        ("walk --seconds 0.01 --fps 1", "0.01 seconds at 1 frames a second are no frame"),
        ("walk --seconds 80000 --fps 100", "8,000,000 frames are more than 1,048,576"),
        ("walk --fps 0", "--fps is at least 0.1, not 0"),
        ("walk --grid 4000x1", "a frame would have 64,000 x 16 pixels, more than 8,192 a side"),
        ("walk --grid 60x60 --seconds 9000", "lower --seconds, --fps or --grid"),
        ("walk --crf 20 --bitrate 5M", "--crf and --bitrate exclude each other"),
        ("walk --crf 60", "--crf is at most 51 for mp4, not 60"),
        ("walk --format gif --bitrate 5M", "--bitrate is for mp4 and webm: gif has no"),
        ("walk --format gif --fps 60", "--format gif has at most 50 frames a second, not 60"),
        ("walk --psi 0,1", "walk has one --psi; a film through several is sgvideo truncate"),
        (
            "walk --seeds 3",
            "--seeds is for coarse, fine, edit, montage, truncate, turn, drift, cross, not for walk",
        ),
        ("fine --seeds 1-5 --grid 2x2", "--grid 2x2 has 4 cells, too few for 5 --seeds"),
        ("truncate --seeds ''", "--seeds: seeds are whole numbers and ranges"),
        ("walk --class 3", "this network has no classes"),
        ("between", "between needs arguments: sgvideo between SEED|TAGS"),
        ("between 5", "between needs two faces or more"),
        ("between 9-5 2", "the seeds 9-5 end before they begin"),
        ("between 5 9 --directions smile.npz", "--directions is for edited faces, such as"),
        ("between 5 5+smile=2", "edits need --directions: a file that sgedit --learn makes"),
        ("between 5 5+hat --directions smile.npz", "there is no direction 'hat' among smile"),
        ("edit smile=2 --dry-run", "edits need --directions: a file that sgedit --learn makes"),
        ("edit smile=x --directions smile.npz", "there is no direction 'smile=x' among smile"),
        (
            "edit smile=9999 --directions smile.npz",
            "the amount of smile=9999 is beyond 1000 spreads",
        ),
        ("edit smile --directions gone.npz", "gone.npz cannot be read: No such file"),
        ("edit smile --directions text.mp3", "text.mp3: not a file of directions"),
        ("walk --directions smile.npz", "--directions is for between, edit, not for walk"),
        ("cross network.pkl small.pkl", "small.pkl has pictures of 8x8, not 16x16 as network.pkl"),
        ("cross network.pkl grey.pkl", "grey.pkl has image_channels 1, not 3 as network.pkl"),
        ("cross network.pkl gone.pkl", "gone.pkl does not exist"),
        ("cross network.pkl text.mp3", "text.mp3: not a network file"),
        ("music text.mp3", "text.mp3 is not a sound file that can be read"),
        ("music gone.mp3", "gone.mp3 is not a file"),
        ("music sound.wav --format gif", "a gif has no sound: choose --format mp4 or webm"),
        ("montage .", ". has no sheets of samples (fakes*.jpg)"),
        ("--preset article --psi 0,1", "walk has one --psi; a film through several is"),
        ("--preset article --space z", "--space is for between, not for walk"),
        ("--preset article walk", "--preset article names its films: leave out walk"),
        ("walk --frames f -o g", "--frames and --out exclude each other"),
    ],
)
def test_what_makes_no_film_is_one_sentence(here: Path, line: str, why: str) -> None:
    network = "" if line.startswith(("cross", "montage")) else NETWORK
    done = quick(f"sgvideo {line} {network}", here)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert why in done.stderr
    assert not list(here.glob("*/*.mp4"))


def test_a_second_run_lists_the_film_and_other_settings_are_named(here: Path) -> None:
    line = f"walk {NETWORK} --seconds 0.2"
    path = made(line, here)
    before = path.stat().st_mtime_ns
    assert made(line, here).stat().st_mtime_ns == before
    assert made(f"{line} --format webm", here) != path
    done = quick(f"sgvideo {line} --psi 0.5", here)
    assert (done.returncode, done.stdout) == (2, "")
    assert "was made with --psi 1, this run is with --psi 0.5" in done.stderr
    path.write_bytes(b"mine")
    done = quick(f"sgvideo {line}", here)
    assert (done.returncode, path.read_bytes()) == (1, b"mine")
    assert "exists and was not written from this input; -f overwrites it" in done.stderr
    assert quick(f"sgvideo {line} -n -o other", here).stdout == "other/walk-0.mp4\n"
    assert not (here / "other").exists()


def test_another_seed_is_another_film(here: Path) -> None:
    line = "sgvideo between smile hat --network tagged.pkl --seconds 0.1"
    path = here / quick(line, here).stdout.strip()
    before = path.read_bytes()
    done = quick(f"{line} --seed 1", here)
    assert (done.returncode, path.read_bytes()) == (1, before)
    assert "was made from something else: choose another name or -o" in done.stderr
    assert quick(f"{line} --seed 1 -f", here).returncode == 0
    assert path.read_bytes() != before


def test_a_name_that_is_too_long_keeps_its_end(here: Path) -> None:
    tags = ",".join(["smile", "hat"] * 40)
    line = f"sgvideo between 5 {tags} --network tagged.pkl -n"
    assert quick(line, here).stdout.endswith(".mp4\n")
    names = quick(f"{line} --seconds 0.2 --frames f", here).stdout.split()
    assert [name[-10:] for name in names] == [f"-{n:05}.png"[-10:] for n in range(4)]
    assert len({name[:-10] for name in names}) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_film_that_is_interrupted_is_not_there(here: Path, number: signal.Signals) -> None:
    line, hidden = f"sgvideo walk {NETWORK} --seconds 2000", here / "videos/.walk-0.mp4.part"
    (here / "log").mkdir()

    def end() -> float:
        process = start(line, here, str(here / "log"))
        while not (hidden.exists() and hidden.stat().st_size):
            assert process.is_alive(), (here / "log/2").read_text()
            time.sleep(0.01)
        assert process.pid
        began = time.monotonic()
        os.kill(process.pid, number)
        process.join()
        assert (process.exitcode, (here / "log/1").read_text()) == (-number, "")
        return time.monotonic() - began

    assert within_a_second(end)
    left = {path.name for path in (here / "videos").iterdir()}
    assert not any(name.endswith(".mp4") for name in left)
    if number == signal.SIGKILL:
        assert made(f"walk {NETWORK} --seconds 0.2", here).stat().st_size
        assert not hidden.exists()
    else:
        assert hidden.name not in left


def test_frames_go_on_after_a_kill(here: Path) -> None:
    line = f"walk {NETWORK} --seconds 8 --frames f"
    (here / "log").mkdir()
    process, log = start(f"sgvideo {line}", here, str(here / "log")), here / "log/1"
    while not log.exists() or log.read_bytes().count(b"\n") < 5:
        assert process.is_alive(), (here / "log/2").read_text()
        time.sleep(0.01)
    process.kill()
    process.join()
    first = log.read_text().splitlines()[:5]
    kept = (here / first[0]).stat().st_mtime_ns
    done = quick(f"sgvideo {line}", here)
    assert done.stdout.count("\n") == 160
    assert done.stdout.splitlines()[:5] == first
    assert (here / first[0]).stat().st_mtime_ns == kept
    assert len(list((here / "f").glob("*.png"))) == 160


def write_noise(folder: Path) -> None:
    """Two pictures of 256 x 256 pixels that no encoder makes small."""
    for n in range(2):
        level = np.random.default_rng(n).integers(0, 256, (256, 256, 3), np.uint8)
        (folder / f"{n}.png").write_bytes(encode_png(level))


def test_a_full_disk_is_one_sentence(here: Path, shell: Shell) -> None:
    write_noise(here)
    if shell("mkdir disk && mount -t tmpfs -o size=400k none disk").returncode:
        pytest.skip("a small file system cannot be mounted")
    try:
        done = quick(f"sgvideo montage {'0.png 1.png ' * 50} --crf 1 -o disk", here)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "sgvideo: disk/montage-0.png-1.png.mp4: no space left on device\n"
        assert not [path for path in (here / "disk").iterdir() if "mp4" in path.name]
    finally:
        shell("umount disk")


COUNTED = """
import atexit, resource, sys
from animetools.commands.sgvideo import sgvideo
atexit.register(lambda: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr))
sgvideo()
"""


def test_memory_does_not_grow_with_a_film(here: Path) -> None:
    write_noise(here)
    most = []
    for seconds in (2, 20):
        words = [f"{ROOT}/.venv/bin/python", "-c", COUNTED, "montage", "0.png", "1.png"]
        words += ["--seconds", f"{seconds}", "--crf", "50", "-o", f"{seconds}"]
        done = subprocess.run(words, cwd=here, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        most.append(int(done.stderr.split()[-1]))
    frames = 18 * 20 * 256 * 256 * 3 // 1024  # kilobytes, were they kept
    assert most[1] - most[0] < frames / 3
