"""Work that failed and is shown as failed: a table leaves no row out without a word."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Failed:
    """A result that should be there and is not.

    Parameters
    ----------
    protocol : str
        Name of the protocol, whose table gets the row.
    label : str
        What the row is called.
    reason : str
        One line: why there is no number.
    """

    protocol: str
    label: str
    reason: str
