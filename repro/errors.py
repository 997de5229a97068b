"""Errors that a user can mend: shown as text, without a traceback."""


class ReproError(Exception):
    """A mistake in what was asked for, or something that is missing. The message names the place and the
    remedy.
    """
