"""Anthropic Messages wire types: `request` is what we send, `response` what we read; knows no hub type."""
