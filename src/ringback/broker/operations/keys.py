"""Signing keys: those from the configuration until the first rotation, those in the store after it."""

import secrets
import string

from ringback.broker.changes import Changes
from ringback.broker.records import SigningKeys
from ringback.broker.settings import Tenant
from ringback.broker.stores.contract import Transaction

_WORD = string.ascii_letters + string.digits


def random_word(length: int) -> str:
    """Return `length` random letters and digits, for keys and names that must not be guessed."""
    return "".join(secrets.choice(_WORD) for _ in range(length))


def keys_of(tx: Transaction, tenant: Tenant) -> SigningKeys:
    """Return the keys in force."""
    if tenant.fixed_keys:
        return tenant.keys
    return tx.get(SigningKeys, tenant.name) or tenant.keys


def rotate_keys(tx: Transaction, tenant: Tenant) -> SigningKeys:
    """Put the next key in the place of the current one and make a new next one."""
    known = keys_of(tx, tenant)
    rotated = SigningKeys(tenant.name, current=known.next, next=f"sig_{random_word(28)}")
    tx.apply(Changes(put=[rotated]))
    return rotated
