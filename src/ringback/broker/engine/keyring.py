"""The signing keys in force, in memory: each delivery needs one."""

from collections.abc import Sequence

from ringback.broker.changes import Applied
from ringback.broker.operations.desk import Desk
from ringback.broker.operations.keys import keys_of
from ringback.broker.records import SigningKeys
from ringback.broker.settings import Tenant


class Keyring:
    """Knows the keys of every tenant.

    Args:
        tenants: the accounts.
    """

    def __init__(self, tenants: Sequence[Tenant]) -> None:
        self._tenants = tenants
        self._keys: dict[str, SigningKeys] = {}

    async def load(self, desk: Desk) -> None:
        """Read the keys that are in force."""
        self._keys = await desk.read(lambda tx: {tenant.name: keys_of(tx, tenant) for tenant in self._tenants})

    def see(self, applied: Applied) -> None:
        """Take up rotations that have become durable."""
        for keys in applied.put(SigningKeys):
            self._keys[keys.tenant] = keys

    def current(self, tenant: str) -> str:
        """Return the key that signs deliveries of a tenant."""
        return self._keys[tenant].current
