"""What must never reach a log: a key and a transcript that the tests can recognize.

A test that uses `API_KEY` as its key, or lets `MARKED_WORD` be recognized, is failed by
`conftest.py` when either appears in a record above debug, its extras or its traceback.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

API_KEY = "sk_4f9d1c7b2e8a"
MARKED_WORD = "quetzalcoatl"

_STANDARD = frozenset(vars(logging.makeLogRecord({})))


class Watch:
    """Every log record that was made, by any logger, while it is open."""

    def __init__(self) -> None:
        self.records: list[logging.LogRecord] = []
        self.lines: list[str] = []

    def leaks(self, secrets: Iterable[str] = (API_KEY, MARKED_WORD)) -> list[str]:
        """The records above debug that show one of the secrets, as `logger: secret`."""
        found = []
        wanted = [secret.lower() for secret in secrets]
        loud = [record for record in self.records if record.levelno > logging.DEBUG]
        texts = [(record.name, _everything(record)) for record in loud]
        texts += [("loguru", line) for line in self.lines]
        for name, text in texts:
            found += [f"{name}: {secret}" for secret in wanted if secret in text.lower()]
        return found


@contextmanager
def watching() -> Iterator[Watch]:
    """See each record where it is made, so that no level of a handler and no filter hides it."""
    watch = Watch()
    make = logging.getLogRecordFactory()

    def remember(*args: object, **kwargs: object) -> logging.LogRecord:
        record = make(*args, **kwargs)
        watch.records.append(record)
        return record

    ours = logging.getLogger("pulse_plugins")
    level = ours.level
    logging.setLogRecordFactory(remember)
    ours.setLevel(logging.DEBUG)  # debug texts are formatted too, so a broken one shows
    try:
        yield watch
    finally:
        logging.setLogRecordFactory(make)
        ours.setLevel(level)


def _everything(record: logging.LogRecord) -> str:
    extras = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    text = f"{record.getMessage()} {extras!r}"
    if record.exc_info:
        text += logging.Formatter().formatException(record.exc_info)
    return text
