"""Which addresses a program may connect to on behalf of others, and be called by: the broker's own rules, for applications.

An application that fetches what its users name must not fetch from inside its own network. Resolve the name once, ask
`refusal` about each address, and connect to the address that was checked, not to the name again. One that lets anybody on this
machine in asks `is_known_here` about the `Host` it is called by: a page of any site may have made its name lead here.
"""

from ringback.wire.browsers import is_known_here
from ringback.wire.guard import Address, Network, Policy, refusal

__all__ = ["Address", "Network", "Policy", "is_known_here", "refusal"]
