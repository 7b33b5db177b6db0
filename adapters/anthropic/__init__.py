"""Anthropic's Messages API; what it offers is `AnthropicAdapter`."""

from adapters.anthropic.adapter import AnthropicAdapter

__all__ = ["AnthropicAdapter"]
