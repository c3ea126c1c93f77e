"""The policy file that Flash asked for before it opened a socket."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import quoteattr

from ratchet_py.interfaces import ConnectionInterface, MessageComponentInterface

__all__ = ["FlashPolicy"]


class FlashPolicy(MessageComponentInterface):
    r"""Answers ``<policy-file-request/>`` on a raw connection (``Ratchet\Server\FlashPolicy``).

    Kept for applications that still serve such clients; it goes directly on ``IoServer``.

    Example:
        >>> policy = FlashPolicy().addAllowedAccess("example.com", "8080").setSiteControl("none")
        >>> "example.com" in policy.renderPolicy()
        True
    """

    def __init__(self) -> None:
        self._access: list[tuple[str, str, bool]] = []
        self._siteControl = ""

    def addAllowedAccess(
        self, domain: str, ports: str | int = "*", secure: bool = False
    ) -> FlashPolicy:
        """Allow the pages of a domain to open some ports.

        Args:
            domain: A host name, or ``*``; ``*.example.com`` for the hosts under one.
            ports: ``*``, a port, or ports and ranges such as ``"80,8000-8010"``.
            secure: Whether the page must have come over TLS.

        Raises:
            ValueError: ``domain`` or ``ports`` cannot stand in a policy.
        """
        ports = str(ports)
        if not domain or any(char.isspace() for char in domain):
            raise ValueError(f"not a domain: {domain!r}")
        if ports != "*" and not all(
            part.isdigit() for piece in ports.split(",") for part in piece.split("-", 1)
        ):
            raise ValueError(f"not ports: {ports!r}")
        self._access.append((domain, ports, secure))
        return self

    def setSiteControl(self, permittedCrossDomainPolicies: str = "all") -> FlashPolicy:
        """Say which other policy files of this host count.

        Raises:
            ValueError: It is none of ``all``, ``none`` and ``master-only``.
        """
        if permittedCrossDomainPolicies not in ("all", "none", "master-only"):
            raise ValueError(f"not a site control: {permittedCrossDomainPolicies!r}")
        self._siteControl = permittedCrossDomainPolicies
        return self

    def renderPolicy(self) -> str:
        """The policy file.

        Raises:
            ValueError: Nobody has been allowed anything.
        """
        if not self._access:
            raise ValueError("a policy needs at least one addAllowedAccess")
        lines = ['<?xml version="1.0"?>', "<cross-domain-policy>"]
        if self._siteControl:
            control = quoteattr(self._siteControl)
            lines.append(f"<site-control permitted-cross-domain-policies={control}/>")
        lines.extend(
            f"<allow-access-from domain={quoteattr(domain)} to-ports={quoteattr(ports)}"
            f' secure="{str(secure).lower()}"/>'
            for domain, ports, secure in self._access
        )
        lines.append("</cross-domain-policy>")
        return "\n".join(lines)

    def onOpen(self, conn: ConnectionInterface) -> None:
        """Nothing to do before the request."""

    def onMessage(self, conn: ConnectionInterface, msg: Any) -> None:
        """Send the policy, whatever was asked, and close."""
        conn.send(self.renderPolicy() + "\0")
        conn.close()

    def onClose(self, conn: ConnectionInterface) -> None:
        """Nothing to do."""

    def onError(self, conn: ConnectionInterface, exc: Exception) -> None:
        """Close the connection."""
        conn.close()
