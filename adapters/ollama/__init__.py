"""Ollama's own API, which carries what its OpenAI-format endpoint cannot; knows no other dialect."""

from adapters.ollama.adapter import OllamaAdapter

__all__ = ["OllamaAdapter"]
