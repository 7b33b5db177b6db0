"""The conformance matrix: behaviours x adapters, driven through the whole gateway; a behaviour is a test."""

from matrix.behaviours import behaviour
from matrix.subjects import CLAUDE, GEMINI, OPENAI, each
from matrix.talk import Heard, Streamed, Talk, assistant, called, result, tool, user

__all__ = [
    "CLAUDE", "GEMINI", "OPENAI", "Heard", "Streamed", "Talk", "assistant", "behaviour", "called", "each", "result",
    "tool", "user",
]  # fmt: skip
