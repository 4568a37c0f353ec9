"""The guard: which addresses are public."""

from __future__ import annotations

import pytest

from grabient_assets.sources.public_address import is_private_literal, is_public, system_resolve


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
)
def test_addresses_of_the_internet_are_public(address: str):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.31.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
        ),
        *("224.0.0.1", "224.0.1.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "ff0e::1", "fec0::1", "2001:db8::1"),
        *("::ffff:10.0.0.1", "::ffff:127.0.0.1", "::10.0.0.1", "64:ff9b::a00:1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1"),
        *("2002:a00:1::1", "2002:7f00:1::", "2001:0:a00:1::1", "not an address", ""),
    ],
)
def test_everything_else_is_not(address: str):
    assert not is_public(address)


def test_a_name_is_no_literal_address():
    assert not any(map(is_private_literal, ("example.com", "10.example.com", "localhost.example.com", "8.8.8.8")))
    assert all(map(is_private_literal, ("10.0.0.1", "[::1]", "localhost", "0x7f000001", "0")))


def test_the_resolver_of_the_system_gives_addresses():
    assert system_resolve("127.0.0.1", 80) == ["127.0.0.1"]
