"""Google's Gemini API (generativelanguage, v1beta); the translation knows no transport and serves Vertex AI too."""

from adapters.google.adapter import GoogleAdapter

__all__ = ["GoogleAdapter"]
