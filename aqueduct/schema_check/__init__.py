"""Holds answers against JSON schemas, in a process of its own."""
