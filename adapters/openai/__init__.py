"""OpenAI: the dialect that is the hub's own; knows no other provider's rules beyond what `Quirks` says."""

from adapters.openai.adapter import OpenAIAdapter, OpenAIFormatAdapter

__all__ = ["OpenAIAdapter", "OpenAIFormatAdapter"]
