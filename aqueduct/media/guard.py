"""Where the gateway may connect to on a client's behalf: the public Internet, and what the operator allows; no I/O.

An address counts as public only where the registries say so: https://www.iana.org/assignments/iana-ipv4-special-registry
and https://www.iana.org/assignments/iana-ipv6-unicast-address-assignments, checked 2026-11-26. Of IPv6 only `2000::/3`
is assigned, which leaves out IPv4-mapped, NAT64, unique local, link-local and multicast addresses; 6to4 and Teredo,
which hide an IPv4 address inside, are named.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from msgspec import Struct

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
USUAL_PORTS: Final = frozenset({80, 443})
_NOT_PUBLIC_V4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_PUBLIC_V6: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_V6: Final = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
# What a host on the operator's list may stand at; this host itself and its link take a network on the list.
_PRIVATE: Final = tuple(map(ip_network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))


class AllowedHost(Struct, frozen=True):
    """A host that may stand at private addresses; `*.example.org` is every host below it. `port` None: the usual."""

    name: str
    port: int | None

    def matches(self, host: str) -> bool:
        """Return whether the entry names `host`."""
        if self.name.startswith("*."):
            return host.endswith(self.name[1:])
        return host == self.name


class Guard(Struct, frozen=True):
    """Decides on hosts, ports and addresses. `hosts` and `networks` are what the operator allows beyond the public."""

    hosts: tuple[AllowedHost, ...] = ()
    networks: tuple[Network, ...] = ()

    def allows_port(self, host: str, port: int) -> bool:
        """Whether a client may name this port of this host."""
        return port in USUAL_PORTS or any(one.matches(_plain(host)) and one.port == port for one in self.hosts)

    def allows(self, host: str, port: int, address: str) -> bool:
        """Whether the gateway may connect to `address`, which is what `host` was resolved to."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        if _is_public(found) or _in(found, self.networks):
            return True
        is_named = any(
            one.matches(_plain(host)) and (port == one.port if one.port is not None else port in USUAL_PORTS)
            for one in self.hosts
        )
        return is_named and _in(found, _PRIVATE)


def parse_guard(entries: Sequence[str]) -> Guard:
    """Return the guard for an operator's list of hosts (`host`, `host:port`, `*.host`) and networks (`10.1.0.0/16`).

    Raises `ValueError`; its text names the number of the entry, which may itself be confidential.
    """
    hosts: list[AllowedHost] = []
    networks: list[Network] = []
    for number, entry in enumerate(entries, start=1):
        try:
            networks.append(ip_network(entry))
            continue
        except ValueError:
            pass
        name, colon, port = entry.lower().rpartition(":")
        if not colon:
            name, port = entry.lower(), ""
        if not _is_host(name) or (colon and not (port.isdecimal() and 0 < int(port) < 65536)):
            message = f"entry {number} is neither a host, a host with a port, nor a network such as 10.1.0.0/16"
            raise ValueError(message)
        hosts.append(AllowedHost(_plain(name), int(port) if port else None))
    return Guard(tuple(hosts), tuple(networks))


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not _in(address, _NOT_PUBLIC_V4)
    return address in _PUBLIC_V6 and not _in(address, _NOT_PUBLIC_V6) and address.scope_id is None


def _in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _plain(host: str) -> str:
    return host.lower().rstrip(".")


def _is_host(name: str) -> bool:
    labels = name.removeprefix("*.").rstrip(".").split(".")
    return len(name) <= 255 and all(
        label and label.isascii() and label.replace("-", "").replace("_", "").isalnum() for label in labels
    )
