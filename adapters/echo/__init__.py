"""A model that answers with what it was asked, without a network; for demonstrations, load and fault tests."""

from adapters.echo.adapter import EchoAdapter

__all__ = ["EchoAdapter"]
