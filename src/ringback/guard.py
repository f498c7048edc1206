"""Which addresses a program may connect to on behalf of others: the broker's own rules, for applications.

An application that fetches what its users name must not fetch from inside its own network. Resolve the name once, ask
`refusal` about each address, and connect to the address that was checked, not to the name again.
"""

from ringback.wire.guard import Address, Network, Policy, refusal

__all__ = ["Address", "Network", "Policy", "refusal"]
