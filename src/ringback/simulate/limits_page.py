"""The reference page of the limits, made from the table: `python -m ringback.simulate.limits_page`."""

from ringback.simulate.limits import LIMITS, Limit, Value
from ringback.simulate.platforms import NAMES

_HEAD = """# Limits of the simulated platforms

What [`ringback simulate`](../guides/simulator.md) holds an application to. Each value can be set differently with the option
named. The platforms change them: where the date is old, look again. Values marked as chosen are ours, because there is
nothing to cite; those marked as believed are common knowledge that was not checked against the page named.

| limit | option | vercel | lambda | cloudrun |
|---|---|---|---|---|
"""

_SOURCES = """
## Sources

| limit | platform | value | source | as of |
|---|---|---|---|---|
"""


def page() -> str:
    """Return the page."""
    rows = "".join(f"| {one.about} | `{one.option}` | {_values(one)} |\n" for one in LIMITS)
    sources = "".join(_source(one, name, one.values[name]) for one in LIMITS for name in NAMES)
    return _HEAD + rows + _SOURCES + sources


def _values(limit: Limit) -> str:
    return " | ".join(_shown(limit.values[name].value) for name in NAMES)


def _source(limit: Limit, name: str, value: Value) -> str:
    return f"| `{limit.name}` | {name} | {_shown(value.value)} | {value.source} | {value.date or '-'} |\n"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    print(page(), end="")
