"""Signing keys: those from the configuration until the first rotation, those in the store after it."""

from ringback.broker.changes import Changes
from ringback.broker.ids import random_word
from ringback.broker.records import SigningKeys
from ringback.broker.settings import Tenant
from ringback.broker.stores.contract import Transaction


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
