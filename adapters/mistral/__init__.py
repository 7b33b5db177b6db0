"""Mistral's API: OpenAI's format with content, sources and rules of its own."""

from adapters.mistral.adapter import MistralAdapter

__all__ = ["MistralAdapter"]
