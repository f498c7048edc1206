"""Settings as people read them."""

from collections.abc import Mapping
from typing import Any

from ringback.console.views.words import count, duration, size

_GROUPS = {
    "Server": (
        "host",
        "port",
        "database",
        "accounts",
        "node_timeout_ms",
        "trusted_proxies",
        "llm_url",
        "email_url",
        "log_level",
        "log_format",
        "console",
    ),
    "Deliveries": (
        "in_flight",
        "in_flight_per_host",
        "in_flight_bytes",
        "limits.timeout_ms",
        "limits.delay_ms",
        "limits.retries",
        "limits.default_retries",
        "limits.response_bytes",
    ),
    "Destinations": (
        "destinations.allow_private",
        "destinations.allowed_hosts",
        "destinations.allowed_networks",
        "destinations.denied_networks",
    ),
}


def grouped(told: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Return the settings under headings, each with its name and value in words; what stands under none comes last."""
    left = dict(told)
    found = {
        heading: [(_name(name), _value(name, left.pop(name))) for name in names if name in left]
        for heading, names in _GROUPS.items()
    }
    found["Limits"] = [(_name(name), _value(name, value)) for name, value in left.items()]
    return {heading: rows for heading, rows in found.items() if rows}


def _name(name: str) -> str:
    if name == "in_flight_bytes":
        return "Bodies in flight"
    text = name.rpartition(".")[2].removesuffix("_ms").removesuffix("_bytes").replace("_", " ")
    return text[:1].upper() + text[1:]


def _value(name: str, value: Any) -> str:
    if value is None:
        return "no limit"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if name.endswith("_ms"):
        return duration(value)
    if name.endswith("_bytes"):
        return size(value)
    if isinstance(value, int) and name != "port":
        return count(value)
    return str(value) or "none"
