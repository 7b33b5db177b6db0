"""OpenAI: the dialect that is the hub's own; knows no other provider's rules beyond what `Quirks` says."""

from adapters.openai.adapter import OpenAIAdapter, OpenAIFormatAdapter, RerankingAdapter

__all__ = ["OpenAIAdapter", "OpenAIFormatAdapter", "RerankingAdapter"]
