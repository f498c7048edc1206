"""`ringback flow`: flow-control keys, their limits and what is used of them."""

import click

from ringback.cli.listing import Listing
from ringback.cli.output import Shape, field
from ringback.cli.remote import Remote, remote
from ringback.client import management


def _used(count: str, most: str) -> str:
    return f"{count} of {most}" if most != "0" else count


def _rate(key: Shape) -> str | None:
    if not key["rateMax"]:
        return None
    return f"{_used(str(key['rateCount']), str(key['rateMax']))} in {key['ratePeriod']} s"


def _pinned(key: Shape) -> str:
    names = {"parallelism": key["isPinnedParallelism"], "rate": key["isPinnedRate"]}
    return ", ".join(name for name, pinned in names.items() if pinned)


_COLUMNS = (
    ("KEY", field("flowControlKey")),
    ("WAITING", field("waitListSize")),
    ("IN FLIGHT", lambda key: _used(str(key["parallelismCount"]), str(key["parallelismMax"]))),
    ("STARTED", _rate),
    ("PAUSED", field("isPaused")),
    ("PINNED", _pinned),
)


@click.group(cls=Listing)
def flow() -> None:
    """Look at flow-control keys and steer them."""


@flow.command("list")
@click.argument("search", required=False)
@remote
def list_keys(told: Remote, search: str | None) -> None:
    """List the keys, those whose name contains SEARCH if it is given."""
    told.out.records(told.send(management.flow_keys(search)), _COLUMNS, none="No flow-control keys.")


@flow.command("show")
@click.argument("key")
@remote
def show(told: Remote, key: str) -> None:
    """Show one key."""
    told.out.record(told.send(management.flow_key(key)))


@flow.command("pause")
@click.argument("key")
@remote
def pause(told: Remote, key: str) -> None:
    """Let nothing more start under a key."""
    told.send(management.pause_flow(key))
    told.out.done(f"key {key} is paused", key=key, paused=True)


@flow.command("resume")
@click.argument("key")
@remote
def resume(told: Remote, key: str) -> None:
    """Let a key go on."""
    told.send(management.resume_flow(key))
    told.out.done(f"key {key} goes on", key=key, paused=False)


@flow.command("pin")
@click.argument("key")
@click.option("--parallelism", type=click.IntRange(1), help="How many at once.")
@click.option("--rate", type=click.IntRange(1), help="How many starts in a period.")
@click.option("--period", type=click.IntRange(1), help="The period in seconds.")
@remote
def pin(told: Remote, key: str, parallelism: int | None, rate: int | None, period: int | None) -> None:
    """Hold limits against what messages ask for."""
    told.send(management.pin_flow(key, parallelism=parallelism, rate=rate, period=period))
    told.out.done(f"the limits of {key} are pinned", key=key, pinned=True)


@flow.command("unpin")
@click.argument("key")
@remote
def unpin(told: Remote, key: str) -> None:
    """Let messages set the limits again."""
    told.send(management.unpin_flow(key))
    told.out.done(f"messages set the limits of {key}", key=key, pinned=False)


@flow.command("reset")
@click.argument("key")
@remote
def reset(told: Remote, key: str) -> None:
    """Begin a new window of a key's rate now."""
    told.send(management.reset_flow_rate(key))
    told.out.done(f"key {key} begins a new window", key=key, reset=True)
