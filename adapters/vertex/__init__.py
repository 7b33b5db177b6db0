"""Gemini and Claude on Google Cloud's Vertex AI; what it offers is `VertexAdapter`."""

from adapters.vertex.adapter import VertexAdapter

__all__ = ["VertexAdapter"]
