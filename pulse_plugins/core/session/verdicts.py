"""What follows when a connection is gone: a table.

The table asks what a connection achieved, not how long it was open. A connection was good if the
ack offset moved while it was open, or if no words were owed at its end. Only a good connection ends
trouble, as QUIC resets its backoff only when new data is acked (RFC 9002, section 6.2).
docs/architecture.md prints the table.
"""

from __future__ import annotations

import enum

from pulse_plugins.core.base.errors import (
    AccessDeniedError,
    AuthenticationError,
    CertificateError,
    PaymentRequiredError,
    PulseError,
    RateLimitError,
    RegionError,
    RequestRejectedError,
)


class Achieved(enum.Enum):
    """What the connection achieved."""

    NOT_OPENED = "it was never open"
    NOTHING = "words are owed and none was acked, or it ended at once"
    SOME = "audio was acked and more words are owed"
    ALL = "no words are owed"


class Ended(enum.Enum):
    """How the connection ended."""

    CLEAN = "close 1000"
    LOST = "network, server fault, stall"
    LIMITED = "429 or close 1008"
    REJECTED = "the options are refused"
    DENIED = "key, credit or access is refused"
    REGION = "this host cannot serve the stream: region or certificate"
    UNUSABLE = "no connection can be tried"


class Phase(enum.Enum):
    """What the stream was doing."""

    LIVE = "audio comes"
    SWITCHING = "options are being changed"
    ENDING = "the input has ended"


class Verdict(enum.Enum):
    """What to do."""

    RETRY_NOW = "the budget is new: connect again at once"
    RETRY = "connect again when the budget allows"
    RETRY_SLOW = "the same, with longer delays"
    SLEEP = "connect again when audio comes"
    TAKE_OVER = "go on with the changed options"
    OTHER_URL = "try the next base URL, or fail"
    REVERT_OPTIONS = "go back to the options before, or fail"
    FINISH = "all words have arrived: end the stream"
    FAIL = "end with the error"


_LIVE: dict[Ended, tuple[Verdict, Verdict, Verdict, Verdict]] = {
    #              NOT_OPENED, NOTHING, SOME, ALL
    Ended.CLEAN: (Verdict.RETRY, Verdict.RETRY, Verdict.RETRY_NOW, Verdict.SLEEP),
    Ended.LOST: (Verdict.RETRY, Verdict.RETRY, Verdict.RETRY_NOW, Verdict.RETRY_NOW),
    Ended.LIMITED: (Verdict.RETRY_SLOW,) * 4,
    Ended.REJECTED: (Verdict.REVERT_OPTIONS,) * 4,
    Ended.DENIED: (Verdict.FAIL,) * 4,
    Ended.REGION: (Verdict.OTHER_URL,) * 4,
    Ended.UNUSABLE: (Verdict.FAIL,) * 4,
}
# The old connection is gone before the new options took over: the new ones are tried alone.
_SWITCHING = {
    **dict.fromkeys(Ended, (Verdict.TAKE_OVER,) * 4),
    Ended.DENIED: (Verdict.FAIL,) * 4,
    Ended.UNUSABLE: (Verdict.FAIL,) * 4,
}
# Once the input has ended there is nothing to keep a connection for but owed words.
_ENDING = {
    **_LIVE,
    Ended.CLEAN: (Verdict.RETRY, Verdict.RETRY, Verdict.RETRY_NOW, Verdict.FINISH),
    Ended.LOST: (Verdict.RETRY, Verdict.RETRY, Verdict.RETRY_NOW, Verdict.FINISH),
    Ended.LIMITED: (Verdict.RETRY_SLOW, Verdict.RETRY_SLOW, Verdict.RETRY_SLOW, Verdict.FINISH),
}

TABLE: dict[tuple[Phase, Ended, Achieved], Verdict] = {
    (phase, ended, achieved): verdict
    for phase, rows in (
        (Phase.LIVE, _LIVE),
        (Phase.SWITCHING, _SWITCHING),
        (Phase.ENDING, _ENDING),
    )
    for ended, verdicts in rows.items()
    for achieved, verdict in zip(Achieved, verdicts, strict=True)
}


def how_it_ended(error: PulseError | None) -> Ended:
    """The row of the table for an error; None is an orderly close with 1000."""
    match error:
        case None:
            return Ended.CLEAN
        case RegionError() | CertificateError():
            return Ended.REGION
        case AuthenticationError() | PaymentRequiredError() | AccessDeniedError():
            return Ended.DENIED
        case RequestRejectedError():
            return Ended.REJECTED
        case RateLimitError():
            return Ended.LIMITED
    return Ended.LOST if error.retryable else Ended.UNUSABLE


def verdict(phase: Phase, ended: Ended, achieved: Achieved) -> Verdict:
    """Look the verdict up."""
    return TABLE[phase, ended, achieved]
