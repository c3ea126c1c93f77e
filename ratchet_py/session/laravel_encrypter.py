r"""What Laravel has encrypted (``Illuminate\Encryption\Encrypter``)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from ratchet_py.errors import LocalError
from ratchet_py.session.serialize.interfaces import MalformedSession

__all__ = ["LaravelEncrypter"]

# Which key and nonce each cipher has, and whether it proves by itself who has encrypted.
_CIPHERS = {
    "aes-128-cbc": (16, 16, False),
    "aes-256-cbc": (32, 16, False),
    "aes-128-gcm": (16, 12, True),
    "aes-256-gcm": (32, 12, True),
}


class LaravelEncrypter:
    """Decrypts what a site made with Laravel has encrypted.

    Args:
        keys: ``APP_KEY`` and those before it, with their ``base64:``.
        cipher: ``app.cipher``.

    Raises:
        LocalError: The cipher is unknown, or a key is none for it.
    """

    def __init__(self, keys: Iterable[str], cipher: str) -> None:
        try:
            size, self._nonceSize, self._isAead = _CIPHERS[cipher.lower()]
        except KeyError:
            raise LocalError(f"Laravel has no cipher {cipher!r}") from None
        self._keys = [_key(key, size) for key in keys]

    def decrypt(self, payload: str | bytes) -> tuple[bytes, bytes]:
        """Decrypt, if it was encrypted by one of the keys and not changed since.

        Args:
            payload: What Laravel's ``encrypt`` has given.

        Returns:
            What it has been given, and the key.

        Raises:
            MalformedSession: It is something else.
        """
        try:
            fields = json.loads(base64.b64decode(payload))
            nonce = base64.b64decode(fields["iv"])
            value = base64.b64decode(fields["value"])
            mac = str(fields["mac"])
            tag = base64.b64decode(fields.get("tag") or "")
            # As text, which is what the MAC is of.
            signed = (fields["iv"] + fields["value"]).encode()
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            raise MalformedSession("not encrypted by Laravel") from None
        if len(nonce) == self._nonceSize:
            for key in self._keys:
                if self._isAead:
                    plain = _byGcm(key, nonce, value, tag)
                elif hmac.compare_digest(_mac(key, signed), mac.encode("utf-8", "replace")):
                    plain = _byCbc(key, nonce, value)
                else:
                    plain = None
                if plain is not None:
                    return plain, key
        raise MalformedSession("encrypted by another key")


def _key(key: str, size: int) -> bytes:
    try:
        raw = base64.b64decode(key[7:]) if key.startswith("base64:") else key.encode()
    except ValueError:
        raw = b""
    if len(raw) != size:
        # Not what it is: it is a secret.
        raise LocalError(f"APP_KEY is none of {size} bytes, which the cipher wants")
    return raw


def _mac(key: bytes, signed: bytes) -> bytes:
    return hmac.new(key, signed, hashlib.sha256).hexdigest().encode()


def _byGcm(key: bytes, nonce: bytes, value: bytes, tag: bytes) -> bytes | None:
    if len(tag) != 16:
        return None
    try:
        return AESGCM(key).decrypt(nonce, value + tag, None)
    except InvalidTag:
        return None


def _byCbc(key: bytes, nonce: bytes, value: bytes) -> bytes | None:
    decryptor = Cipher(AES(key), CBC(nonce)).decryptor()
    unpadder = PKCS7(128).unpadder()
    try:
        padded = decryptor.update(value) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        return None
