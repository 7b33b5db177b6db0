"""Fetches, where the operator allows it, what stands at an address that a client names; knows no request."""
