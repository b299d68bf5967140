"""PyAV, which decodes sound and encodes films: FFmpeg as a Python package."""

from types import ModuleType

from animetools.errors import FatalError


def av() -> ModuleType:
    """The package `av`.

    Raises FatalError where it is not installed.
    """
    try:
        import av
    except ImportError:
        raise FatalError(
            "films need PyAV: pip install 'animetools[video]'; --frames does without"
        ) from None
    av.logging.set_level(av.logging.FATAL)  # what FFmpeg says goes into exceptions
    return av
