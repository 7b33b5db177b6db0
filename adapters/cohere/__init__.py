"""Cohere's API v2: chat and embeddings."""

from adapters.cohere.adapter import CohereAdapter

__all__ = ["CohereAdapter"]
