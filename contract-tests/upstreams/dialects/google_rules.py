"""What the Gemini API refuses, known from its SDK's types and its own 400s; it must not know the live answers."""

from upstreams.dialects.base import Call


def problem(call: Call) -> str | None:
    """The provider's message for the first rule that the body breaks; None if there is none."""
    return None
