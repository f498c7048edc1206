"""The signing keys in force, in memory: each delivery needs one."""

import logging
from collections.abc import Sequence

from ringback.broker.changes import Applied
from ringback.broker.operations.desk import Desk
from ringback.broker.operations.keys import keys_of
from ringback.broker.records import SigningKeys
from ringback.broker.settings import Tenant

_log = logging.getLogger("ringback.engine")


class Keyring:
    """Knows the keys of every tenant.

    Args:
        tenants: the accounts.
    """

    def __init__(self, tenants: Sequence[Tenant]) -> None:
        self._tenants = tenants
        self._keys: dict[str, SigningKeys] = {}

    async def load(self, desk: Desk) -> None:
        """Read the keys that are in force, and name the accounts whose settings hold others."""
        self._keys = await desk.read(lambda tx: {tenant.name: keys_of(tx, tenant) for tenant in self._tenants})
        for tenant in self._tenants:
            if self._keys[tenant.name] != tenant.keys:
                _log.warning(
                    "the signing keys of account %s have been rotated: those in the database are in force, and not those"
                    " of the settings; `ringback keys show` prints what belongs there",
                    tenant.name,
                )

    def see(self, applied: Applied) -> None:
        """Take up rotations that have become durable."""
        for keys in applied.put(SigningKeys):
            self._keys[keys.tenant] = keys

    def current(self, tenant: str) -> str:
        """Return the key that signs deliveries of a tenant."""
        return self._keys[tenant].current
