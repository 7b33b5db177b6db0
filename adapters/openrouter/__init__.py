"""OpenRouter: OpenAI's format in front of many providers, with routing and errors of its own."""

from adapters.openrouter.adapter import OpenRouterAdapter

__all__ = ["OpenRouterAdapter"]
