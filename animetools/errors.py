"""The exceptions that the engine tells apart."""


class ItemError(Exception):
    """One input failed, the run goes on (exit status 1); the message is one sentence."""

    kind = ""  # the summary counts failures of a kind separately


class PassedOver(Exception):  # noqa: N818  not an error
    """One input is not for this command (a text file among images): counted, not reported."""


class FatalError(Exception):
    """The run cannot start or go on (exit status 2); the message says what to do."""


class Advice(UserWarning):
    """A warning for the user (`warnings.warn(sentence, Advice)`): printed once per run."""
