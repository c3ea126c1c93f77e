"""The WebSocket protocol of RFC 6455 and RFC 7692 without I/O: bytes in, records out.

It is the counterpart of Ratchet's sister library of that name.
"""

from ratchet_py.rfc6455.client_negotiator import ClientNegotiator
from ratchet_py.rfc6455.close_code import CloseCode, isSendable
from ratchet_py.rfc6455.frame import (
    OP_BINARY,
    OP_CLOSE,
    OP_CONTINUE,
    OP_PING,
    OP_PONG,
    OP_TEXT,
    Frame,
    encode,
    encodeClose,
)
from ratchet_py.rfc6455.handshake import Handshake, ServerNegotiator
from ratchet_py.rfc6455.header_values import Headers
from ratchet_py.rfc6455.message import Message, PreparedBytes, PreparedMessage
from ratchet_py.rfc6455.message_buffer import MessageBuffer, Record
from ratchet_py.rfc6455.permessage_deflate import (
    PerMessageDeflate,
    PerMessageDeflateOptions,
    compressOnce,
)

__all__ = [
    "OP_BINARY",
    "OP_CLOSE",
    "OP_CONTINUE",
    "OP_PING",
    "OP_PONG",
    "OP_TEXT",
    "ClientNegotiator",
    "CloseCode",
    "Frame",
    "Handshake",
    "Headers",
    "Message",
    "MessageBuffer",
    "PerMessageDeflate",
    "PerMessageDeflateOptions",
    "PreparedBytes",
    "PreparedMessage",
    "Record",
    "ServerNegotiator",
    "compressOnce",
    "encode",
    "encodeClose",
    "isSendable",
]
