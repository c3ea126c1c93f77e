"""What a server's connections are while it is measured."""

from __future__ import annotations

from ratchet_py.server.io_connection import DirectIoConnection, IoConnection

__all__ = ["MeasuredDirectIoConnection", "MeasuredIoConnection"]


class MeasuredIoConnection(IoConnection):
    """Counts its bytes, for a server that is measured."""

    __slots__ = ()

    def dataReceived(self, data: bytes) -> None:
        """Bytes have arrived (IProtocol)."""
        self._server.tally.bytesIn += len(data)
        super().dataReceived(data)

    def _write(self, data: bytes) -> None:
        self._server.tally.bytesOut += len(data)
        super()._write(data)


class MeasuredDirectIoConnection(DirectIoConnection):
    """Counts its bytes, for a server that is measured."""

    __slots__ = ()
    send = IoConnection.send  # every byte through _write, which counts

    def dataReceived(self, data: bytes) -> None:
        """Bytes have arrived (IProtocol)."""
        self._server.tally.bytesIn += len(data)
        super().dataReceived(data)

    def _write(self, data: bytes) -> None:
        self._server.tally.bytesOut += len(data)
        super()._write(data)
