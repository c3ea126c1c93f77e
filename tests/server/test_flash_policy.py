"""The policy file, as Flash wanted it."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from ratchet_py.server import FlashPolicy
from ratchet_py.testing import connectRaw


def test_the_policy_says_who_may_connect_where():
    policy = FlashPolicy()
    policy.addAllowedAccess("example.com", 8080).addAllowedAccess("*.example.org", "80,8000-8010")
    policy.addAllowedAccess("*", secure=True).setSiteControl("master-only")
    root = ElementTree.fromstring(policy.renderPolicy())
    assert root.tag == "cross-domain-policy"
    control, *allowed = list(root)
    assert control.attrib == {"permitted-cross-domain-policies": "master-only"}
    assert [each.attrib for each in allowed] == [
        {"domain": "example.com", "to-ports": "8080", "secure": "false"},
        {"domain": "*.example.org", "to-ports": "80,8000-8010", "secure": "false"},
        {"domain": "*", "to-ports": "*", "secure": "true"},
    ]


def test_names_are_quoted():
    rendered = FlashPolicy().addAllowedAccess('a"><evil/>').renderPolicy()
    [allowed] = list(ElementTree.fromstring(rendered))
    assert allowed.attrib["domain"] == 'a"><evil/>'


@pytest.mark.parametrize("domain", ["", "a b", "a\n"])
def test_what_is_no_domain(domain):
    with pytest.raises(ValueError, match="domain"):
        FlashPolicy().addAllowedAccess(domain)


@pytest.mark.parametrize("ports", ["", "x", "80,", "80-", "-80", "80;81"])
def test_what_are_no_ports(ports):
    with pytest.raises(ValueError, match="ports"):
        FlashPolicy().addAllowedAccess("example.com", ports)


def test_what_is_no_site_control():
    with pytest.raises(ValueError, match="site control"):
        FlashPolicy().setSiteControl("by-content-type")


def test_an_empty_policy_is_none():
    with pytest.raises(ValueError, match="addAllowedAccess"):
        FlashPolicy().renderPolicy()


def test_a_client_gets_it_with_a_zero_byte_and_is_closed():
    policy = FlashPolicy().addAllowedAccess("example.com")
    client = connectRaw(policy)
    client.sendBytes(b"<policy-file-request/>\0")
    assert client.data == policy.renderPolicy().encode() + b"\0"
    assert client.isClosed


def test_a_client_of_an_empty_policy_is_closed():
    client = connectRaw(FlashPolicy(), raiseErrors=False)
    client.sendBytes(b"<policy-file-request/>\0")
    assert (client.data, client.isClosed) == (b"", True)
