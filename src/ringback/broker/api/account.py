"""Who a token belongs to, and what the broker was told at start; additions to the reference's API."""

import hashlib
from dataclasses import fields
from urllib.parse import urlsplit, urlunsplit

from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.settings import Limits


def get(call: Call) -> Answer:
    """Show the account, what this token may do, and which tokens there are."""
    tokens = [
        {"role": role, "fingerprint": hashlib.sha256(token.encode()).hexdigest()[:12]}
        for token, role in call.tenant.tokens().items()
    ]
    return json_response(
        200,
        {
            "name": call.tenant.name,
            "role": call.role,
            "tokens": tokens if call.role == "full" else [],
            "keysAreFixed": call.tenant.fixed_keys,
        },
    )


def settings_in_force(call: Call) -> Answer:
    """Show what the broker was told at start, without its secrets; durations are in milliseconds."""
    told = call.settings
    limits = {f"limits.{one.name}": getattr(told.limits, one.name) for one in fields(Limits)}
    policy = told.destinations
    return json_response(
        200,
        {
            "host": told.host,
            "port": told.port,
            "database": without_password(str(told.database)),
            "accounts": len(told.tenants),
            "in_flight": told.in_flight,
            "in_flight_per_host": told.in_flight_per_host,
            "in_flight_bytes": told.in_flight_bytes,
            "node_timeout_ms": told.node_timeout_ms,
            "console": told.console,
            "log_level": told.log_level,
            "log_format": told.log_format,
            "llm_url": without_password(told.llm_url),
            "email_url": without_password(told.email_url),
            "trusted_proxies": [str(one) for one in told.trusted_proxies],
            "destinations.allow_private": policy.allow_private,
            "destinations.allowed_hosts": sorted(policy.allowed_hosts),
            "destinations.allowed_networks": [str(one) for one in policy.allowed_networks],
            "destinations.denied_networks": [str(one) for one in policy.denied_networks],
            **limits,
        },
    )


def without_password(address: str) -> str:
    """Return an address whose password and query, if it has them, are hidden."""
    if "://" not in address:
        return address
    parts = urlsplit(address)
    before, at, host = parts.netloc.rpartition("@")
    user = f"{before.partition(':')[0]}:…@" if ":" in before else f"{before}{at}"
    return urlunsplit((parts.scheme, f"{user}{host}", parts.path, "…" if parts.query else "", ""))
