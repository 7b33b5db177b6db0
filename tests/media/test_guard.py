"""Which addresses, hosts and ports a client may have the gateway connect to (trap 24)."""

import pytest

from aqueduct.media.guard import parse_guard

PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "2a00:1450:4001:80e::200e"]
NOT_PUBLIC = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:8.8.8.8",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "2606:2800:220:1::1%eth0",
    "fec0::1",
    "ff02::1",
    "not an address",
    "2130706433",
    "",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_allowed(address: str) -> None:
    assert parse_guard([]).allows("files.example", 443, address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_address_that_is_not_public_is_refused(address: str) -> None:
    assert not parse_guard([]).allows("files.example", 443, address)


def test_usual_ports_alone_may_be_named() -> None:
    guard = parse_guard(["store.example:9000"])
    assert [port for port in (22, 25, 80, 443, 8080, 9000) if guard.allows_port("files.example", port)] == [80, 443]
    assert [port for port in (80, 8080, 9000) if guard.allows_port("store.example", port)] == [80, 9000]


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.3.4", "100.64.0.1", "fd00::1"])
def test_named_host_may_stand_at_a_private_address(address: str) -> None:
    guard = parse_guard(["Store.Example", "*.internal.example"])
    assert guard.allows("store.example", 443, address)
    assert guard.allows("STORE.example.", 443, address)
    assert guard.allows("a.internal.example", 443, address)
    assert not guard.allows("internal.example", 443, address)
    assert not guard.allows("evil-store.example", 443, address)
    assert not guard.allows("store.example.evil.example", 443, address)
    assert not guard.allows("store.example", 9000, address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "169.254.169.254", "224.0.0.1", "::1", "fe80::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"]
)
def test_named_host_never_stands_at_this_host_or_its_link(address: str) -> None:
    assert not parse_guard(["store.example"]).allows("store.example", 443, address)


def test_network_opens_its_addresses_to_every_host() -> None:
    guard = parse_guard(["127.0.0.0/8", "fd00::/8"])
    assert guard.allows("x.example", 80, "127.0.0.1")
    assert guard.allows("x.example", 80, "fd00::1")
    assert not guard.allows("x.example", 80, "10.0.0.1")
    assert not guard.allows("x.example", 80, "::ffff:127.0.0.1")


@pytest.mark.parametrize("entry", ["", "http://x.example", "x.example:0", "x.example:99999", "a b", "10.0.0.0/99", "*"])
def test_entry_that_makes_no_sense_is_refused_by_its_number(entry: str) -> None:
    with pytest.raises(ValueError, match="entry 2"):
        parse_guard(["x.example", entry])
