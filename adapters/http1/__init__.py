"""Pooled HTTP/1.1 client on asyncio and httptools; knows no provider.

Why our own: decision record 0006. One `Connection` carries one `Exchange` at a time; the exchange owns what has been
received, so a connection whose answer is complete is reusable while its last bytes are still being read.

Not supported, on purpose: HTTP/2, redirects, cookies, and HTTP proxies (also none from the environment). Providers that
can be reached through a forward proxy alone need a `Transport` of another make.
"""

from adapters.http1.pool import Http1Transport

__all__ = ["Http1Transport"]
