"""Servers that speak OpenAI's format with differences that fit a row of `Quirks`; knows no body of its own."""

from adapters.openai_compatible.adapter import OpenAICompatibleAdapter

__all__ = ["OpenAICompatibleAdapter"]
