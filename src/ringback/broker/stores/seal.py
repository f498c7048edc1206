"""Payloads encrypted at rest: what a row holds of its record is sealed with AES-256-GCM.

A sealed record reads `0xC1 | name of the key (4) | salt (16) | counter (8) | ciphertext and tag`. `0xC1` begins no
MessagePack, so records from before encryption was turned on are told apart. Each process seals under a key of its own, derived
from the master key and a random salt, with a counter as the nonce: no nonce comes twice, however many records there are.
"""

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import count
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ringback.broker.records import DeadLetter, Entry, Event, Message, Record, Run, SavedEvent, Schedule, Waiter
from ringback.broker.settings import KEY_BYTES
from ringback.broker.stores.contract import StoreUnavailable
from ringback.broker.stores.rows import CODECS, MARK, Codec, Table

_NAME = 4
_SALT = 16
_COUNTER = 8
_HEAD = 1 + _NAME + _SALT + _COUNTER


SEALED: tuple[type[Record], ...] = (Message, Event, DeadLetter, Entry, Run, Waiter, SavedEvent, Schedule)
"""What holds bodies and headers; the rest is bookkeeping and stays readable, as the columns that are asked for do."""


class Seal:
    """Seals and opens.

    Args:
        keys: master keys of 32 bytes; the first seals, all open: that is how a key is rotated.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._masters = {_name(key): key for key in keys}
        salt = os.urandom(_SALT)
        self._prefix = MARK + _name(keys[0]) + salt
        self._cipher = _derived(keys[0], salt)
        self._numbers = count()

    def close(self, record: bytes, table: bytes) -> bytes:
        """Return a record sealed; it opens in its own table only."""
        number = next(self._numbers).to_bytes(_COUNTER, "big")
        return self._prefix + number + self._cipher.encrypt(b"\0\0\0\0" + number, record, table)

    def open(self, stored: bytes, table: bytes) -> bytes:
        """Return the record; one that was never sealed comes back as it is.

        Raises:
            StoreUnavailable: its key is not among ours, or it was tampered with.
        """
        if stored[:1] != MARK:
            return stored
        name, salt, number = stored[1:5], stored[5 : 5 + _SALT], stored[5 + _SALT : _HEAD]
        master = self._masters.get(name)
        if master is None:
            raise StoreUnavailable(
                f"a record is sealed with the key {name.hex()}, which is not among RINGBACK_ENCRYPTION_KEYS"
            )
        try:
            return _derived(master, salt).decrypt(b"\0\0\0\0" + number, stored[_HEAD:], table)
        except InvalidTag as error:
            raise StoreUnavailable("a sealed record cannot be opened: it was changed outside the broker") from error


class SealedCodec(Codec):
    """Turns records into rows whose record is sealed, and back."""

    def __init__(self, table: Table, seal: Seal) -> None:
        super().__init__(table)
        self._seal = seal
        self._name = table.name.encode()

    def row(self, record: Record) -> tuple[Any, ...]:
        """See `Codec.row`."""
        *columns, stored = super().row(record)
        return (*columns, self._seal.close(stored, self._name))

    def record(self, stored: bytes) -> Any:
        """See `Codec.record`."""
        return super().record(self._seal.open(stored, self._name))


def sealed(keys: Sequence[bytes]) -> Mapping[type[Record], Codec]:
    """Return the codecs of a store that is encrypted with these keys, the newest first."""
    seal = Seal(keys)
    return {kind: SealedCodec(codec.table, seal) if kind in SEALED else codec for kind, codec in CODECS.items()}


def _name(key: bytes) -> bytes:
    return sha256(b"ringback encryption key" + key).digest()[:_NAME]


@lru_cache(maxsize=1024)
def _derived(master: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, b"ringback records").derive(master))
