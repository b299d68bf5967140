"""What can go wrong, as the engine tells it apart."""


class ItemError(Exception):
    """One input cannot be done; the message is one sentence; the rest goes on (exit status 1)."""

    kind = ""  # what the last line counts it as, beside the other failures


class PassedOver(Exception):  # noqa: N818  it is no error
    """One input is not this command's business (a text file among images): counted, never told."""


class FatalError(Exception):
    """The run cannot start or go on; the message says what to do (exit status 2)."""


class Advice(UserWarning):
    """What a room warns of (`warnings.warn(sentence, Advice)`): told once a run, as a note."""
