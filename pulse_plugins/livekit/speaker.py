"""What the service hears about a voice besides its words, for agents that answer in kind.

The framework shows a stream's `context` to the application, and hands `to_instructions()` to the
language model of an expressive agent.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from pulse_plugins.core.base.events import Final


class Speaker(BaseModel):
    """The newest estimates; `pulse-2` sends them where they were asked for.

    Attributes:
        emotion: The strongest emotion's name.
        gender: As the service names it.
    """

    emotion: str | None = None
    gender: str | None = None

    def to_instructions(self) -> str:
        """One sentence for a language model."""
        traits = []
        if self.gender:
            traits.append(f"gender {self.gender}")
        if self.emotion:
            traits.append(f"emotion {self.emotion}")
        return f"The user's voice suggests: {', '.join(traits)}." if traits else ""

    def heard(self, final: Final) -> Speaker:
        """With what this final adds; a final without estimates changes nothing."""
        return Speaker(
            emotion=_name(final.emotion) or self.emotion,
            gender=_name(final.gender) or self.gender,
        )


def _name(estimate: object) -> str | None:
    """A name, or the likeliest of a mapping of names to numbers: the shape is undocumented."""
    match estimate:
        case str():
            return estimate or None
        case Mapping():
            scores = {
                name: score
                for name, score in estimate.items()
                if isinstance(name, str) and isinstance(score, int | float)
            }
            return max(scores, key=lambda name: scores[name]) if scores else None
    return None
