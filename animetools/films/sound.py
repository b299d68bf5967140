"""A sound file: how loud it is and where its notes begin, and its samples for a film."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from animetools.errors import FatalError
from animetools.films.options import limited
from animetools.films.pyav import av

RATE = 48_000  # samples a second, of which Opus and AAC know this
HOP, WINDOW = 512, 1024  # samples between two spectra, and of each
FADE = 0.85  # what is left of an onset a hundredth of a second later
LEAST, LOUD, ONSET = 0.25, 1.0, 2.0  # speeds: of silence, what loudness adds, what an onset adds

# Sound files, and films that have sound. Not lists of other files, which could name any.
KNOWN = "aac,aiff,au,avi,caf,flac,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,ogg,w64,wav,wv"

Samples = NDArray[np.float32]


def samples(path: str) -> Iterator[Samples]:
    """The sound in a file, float32 [2, n] from -1 to 1 at RATE, a little at a time.

    What is louder is cut off, and what is no number is silence: encoders refuse both.

    Raises FatalError for a file without any.
    """
    pyav = av()
    try:
        with (
            open(path, "rb") as file,
            pyav.open(file, options={"format_whitelist": KNOWN}, metadata_errors="ignore") as box,
        ):
            if not box.streams.audio:
                raise FatalError(f"{path} has no sound")
            to = pyav.AudioResampler("fltp", "stereo", RATE)
            for frame in box.decode(box.streams.audio[0]):
                frame.pts = None
                for made in to.resample(frame):
                    yield _bounded(made.to_ndarray())
            for made in to.resample(None):
                yield _bounded(made.to_ndarray())
    except pyav.FFmpegError as why:
        if isinstance(why, OSError):
            raise
        raise FatalError(f"{path} is not a sound file that can be read") from None


def _bounded(sound: Samples) -> Samples:
    return np.clip(np.nan_to_num(sound), -1, 1)


def speeds(path: str, fps: Fraction, seconds: float | None) -> NDArray[np.float64]:
    """How fast a walk goes at each frame of a film with this sound; 1 on average.

    The film has the length of the sound, or of so many seconds of it.

    Raises FatalError for a file without sound, or one that is too long.
    """
    levels: list[float] = []
    rises: list[float] = []
    total, before = 0, np.zeros(1)
    for block in _windows(path):
        spectrum = np.log1p(np.abs(np.fft.rfft(block * np.hanning(WINDOW))))
        rises.append(float(np.maximum(spectrum - before, 0).sum()) if levels else 0.0)
        levels.append(float(np.sqrt(np.square(block).mean())))
        before = spectrum
        total = len(levels) * HOP
        limited(int(total * fps / RATE))
        if seconds is not None and total >= seconds * RATE:
            total = round(seconds * RATE)
            break
    frames = round(total * fps / RATE)
    if not frames:
        raise FatalError(f"{path}: its sound is shorter than a frame")
    level = np.asarray(levels)
    level = np.minimum(level / (np.quantile(level, 0.95) or 1), 1)
    speed = LEAST + LOUD * level + ONSET * _onsets(np.asarray(rises))
    ends = np.arange(frames + 1) * float(RATE / HOP / fps)  # of the frames, in hops
    way = np.interp(ends, np.arange(len(speed) + 1), np.append(0, np.cumsum(speed)))
    made = np.diff(way)
    return np.asarray(made / made.mean())


def _windows(path: str) -> Iterator[Samples]:
    """The sound as mono, in overlapping windows; after its end it is silent."""
    rest = np.zeros(0, np.float32)
    for block in samples(path):
        rest = np.concatenate([rest, block.mean(0)])
        while len(rest) >= WINDOW:
            yield rest[:WINDOW]
            rest = rest[HOP:]
    while len(rest):
        yield np.pad(rest[:WINDOW], (0, max(0, WINDOW - len(rest))))
        rest = rest[HOP:]


def _onsets(flux: NDArray[np.float64]) -> NDArray[np.float64]:
    """0..1: 1 where a note begins, then fading.

    Source: Bello et al. 2005 (A Tutorial on Onset Detection in Music Signals): peaks of the spectral
    flux above its local median.
    """
    from scipy.ndimage import maximum_filter1d, median_filter

    above = np.maximum(flux - 1.5 * median_filter(flux, 43), 0)  # half a second
    peaks = np.where((above == maximum_filter1d(above, 5)), above, 0)
    peaks = peaks / (np.quantile(peaks[peaks > 0], 0.9) if peaks.any() else 1)
    fade = FADE ** (100 * HOP / RATE)
    made, now = np.empty(len(flux)), 0.0
    for n, peak in enumerate(np.minimum(peaks, 1)):
        now = max(peak, now * fade)
        made[n] = now
    return made
