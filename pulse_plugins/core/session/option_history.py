"""What the options in force have achieved, and to which options the stream can go back."""

from __future__ import annotations

from pulse_plugins.core.base.errors import PulseError, ServerError
from pulse_plugins.core.config.in_force import OptionsInForce
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.session.verdicts import Ended, how_it_ended


class OptionHistory:
    """Replaces the options of one stream, and remembers the former ones until the new ones work.

    Args:
        in_force: The options in force; only this object replaces them.
    """

    def __init__(self, in_force: OptionsInForce) -> None:
        self._in_force = in_force
        self._former: PulseOptions | None = None
        self._brought_text = False
        self._brought_ack = False

    @property
    def can_revert(self) -> bool:
        """Whether former options are remembered, because the present ones brought no ack yet."""
        return self._former is not None

    def adopt(self, options: PulseOptions, *, revertible: bool) -> None:
        """Put other options in force.

        Args:
            options: The new ones.
            revertible: A connection was made, or is being made, with the former ones.
        """
        current = self._in_force.options
        if not options.same_connection(current):
            if revertible and self._former is None:
                self._former = current
            self._brought_text = self._brought_ack = False
        self._in_force.options = options

    def revert(self) -> None:
        """Put the former options in force again."""
        assert self._former is not None
        self._in_force.options, self._former = self._former, None
        self._brought_text = self._brought_ack = False

    def text_came(self) -> None:
        """The server recognized something with these options."""
        self._brought_text = True

    def ack_came(self) -> None:
        """The server made words final with these options."""
        self._brought_ack = True
        self._former = None

    def believed(self, reported: PulseError) -> PulseError:
        """How to treat an error that the server reported inside the current connection.

        Text shows that the server accepts the options, and an ack shows that it accepts the key. An
        error that says the opposite afterwards is a fault of the server, and another connection may
        not have it.
        """
        ended = how_it_ended(reported)
        refuted = self._brought_ack if ended is Ended.DENIED else self._brought_text
        if ended not in (Ended.DENIED, Ended.REJECTED) or not refuted:
            return reported
        return ServerError(
            "the service reports an error although it has worked with these options",
            code="error_message",
            detail=reported.detail,
        )
