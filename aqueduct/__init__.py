"""Aqueduct, an AI gateway that an institution runs itself."""

from importlib.metadata import version

__version__ = version("aqueduct-gateway")
