"""`ringback import`: bring queues over from BullMQ, and an account over from another QStash-compatible broker."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import redis

from ringback.cli.importing_output import Job, Narrator, tell_account, tell_pieces, tell_survey
from ringback.cli.listing import Listing
from ringback.cli.remote import NoAnswer, find_broker
from ringback.client import Broker, BrokerUnreachable, Transport
from ringback.errors import RingbackError
from ringback.importing.bullmq.account import Account
from ringback.importing.bullmq.importing import Import
from ringback.importing.bullmq.moving import Patience
from ringback.importing.bullmq.redis_queue import RedisQueue, connect, find_queues
from ringback.importing.bullmq.wishes import Wishes
from ringback.importing.qstash.copying import Copier

_FATES = click.Choice(["letter", "park", "again", "leave"])


@click.group("import", cls=Listing)
def import_() -> None:
    """Bring work over from elsewhere; without --go, only look and plan."""


@import_.command()
@click.option(
    "--redis", "redis_url", envvar="REDIS_URL", default="redis://127.0.0.1:6379", show_default=True, help="Redis."
)
@click.option("--prefix", default="bull", show_default=True, help="BullMQ's key prefix.")
@click.option(
    "--queue", "queues", multiple=True, help="A BullMQ queue; may be repeated. Without it, the queues are listed."
)
@click.option("--to", "destination", help="URL that gets the jobs; {queue} and {name} are filled in. Or a URL group.")
@click.option("--into", help="Put the jobs on this queue of the broker, which keeps their order.")
@click.option(
    "--parallelism", type=click.IntRange(1), help="Of that queue; a new one gets 1: strictly one after another."
)
@click.option("--failed", type=_FATES, default="letter", show_default=True, help="What becomes of failed jobs.")
@click.option("--stalled", type=_FATES, default="letter", show_default=True, help="And of those whose worker vanished.")
@click.option(
    "--envelope", is_flag=True, help="Send id, name, data, opts and timestamp as one object, not the data alone."
)
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A publish header; may be repeated.")
@click.option("--max-retries", type=click.IntRange(0), help="Cap for retries, where the broker has one.")
@click.option("--timezone", default="UTC", show_default=True, help="Of schedules that name none.")
@click.option("--pause/--no-pause", default=True, show_default=True, help="Pause the BullMQ queue first.")
@click.option("--wait", default=60.0, show_default=True, help="Seconds to wait for jobs that are being worked on.")
@click.option(
    "--stalled-after", default=5.0, show_default=True, help="Seconds between two looks at a job without worker."
)
@click.option(
    "--keep-days", default=7, show_default=True, type=click.IntRange(1), help="How long Redis keeps moved jobs."
)
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="Write what becomes of each job: JSON lines."
)
@click.option("--go", "--apply", "go", is_flag=True, help="Carry the plan out.")
@click.option("--rollback", is_flag=True, help="Put back what has not run at the broker.")
@click.option("--broker", "broker_url", metavar="URL", help="The broker's address; else QSTASH_URL.")
@click.option("--token", help="Its token; else QSTASH_TOKEN.")
def bullmq(  # noqa: PLR0913 - each is an option of the command
    *,
    redis_url: str,
    prefix: str,
    queues: tuple[str, ...],
    destination: str | None,
    headers: tuple[str, ...],
    wait: float,
    stalled_after: float,
    keep_days: int,
    report: Path | None,
    broker_url: str | None,
    token: str | None,
    **told: Any,
) -> None:
    """Bring BullMQ queues (versions 1 to 6, in Redis) over.

    Shows what is there and what would become of each job. With --go, jobs are moved one by one under a ledger in Redis:
    run it again after a crash and it goes on, nothing is lost and nothing is sent twice. --rollback undoes it.

    Exit status: 0 the account balances; 1 it does not, or something failed; 3 the broker gives no answer.
    """
    with _explained(), connect(redis_url) as connection:
        if not queues:
            _list(connection, prefix)
            return
        transport = Transport(find_broker(broker_url, token))
        balanced = True
        for name in queues:
            queue = RedisQueue(connection, prefix, name)
            if not queue.exists():
                raise click.ClickException(f"there is no queue {name!r} under the prefix {prefix!r}")
            an_import = Import(
                queue,
                transport,
                _wishes(name, destination, headers, told),
                parallelism=told["parallelism"],
                pause=told["pause"],
                patience=Patience(wait, stalled_after),
                keep_s=keep_days * 86_400,
            )
            if told["rollback"]:
                balanced &= _roll_back(an_import, wait)
            else:
                balanced &= _plan_or_go(an_import, report, go=told["go"])
        transport.close()
    if not balanced:
        raise SystemExit(1)


@import_.command()
@click.option("--from", "source_url", required=True, envvar="QSTASH_SOURCE_URL", help="Address of the source.")
@click.option("--from-token", "source_token", required=True, envvar="QSTASH_SOURCE_TOKEN", help="Token of the source.")
@click.option("--take-over", is_flag=True, help="Pause each schedule at the source and let it run here.")
@click.option("--go", "--apply", "go", is_flag=True, help="Carry the plan out.")
@click.option("--broker", "broker_url", metavar="URL", help="The broker's address; else QSTASH_URL.")
@click.option("--token", help="Its token; else QSTASH_TOKEN.")
def qstash(
    *, source_url: str, source_token: str, take_over: bool, go: bool, broker_url: str | None, token: str | None
) -> None:
    """Bring schedules, URL groups, queues and pinned limits over from another account.

    Schedules are made paused, so that nothing runs twice; --take-over pauses each at the source and lets it run here.
    Messages under way stay where they are.
    """
    with _explained():
        source, target = (
            Transport(Broker(source_url.rstrip("/"), source_token)),
            Transport(find_broker(broker_url, token)),
        )
        copier = Copier(source, target)
        plan = copier.plan()
        tell_pieces(plan)
        if not go:
            click.echo("\nNothing was changed. Carry it out with --go.")
            return
        with Narrator("copying", sum(not piece.stays for piece in plan)) as narrator:
            refused = copier.carry_out(plan, take_over=take_over, watch=narrator.watch)
        for piece, reason in refused:
            click.echo(f"Refused: {piece.kind} {piece.name}: {reason}")
        stayed = sum(bool(piece.stays) for piece in plan)
        click.echo(
            f"{len(plan)} found = {len(plan) - stayed - len(refused)} copied + {stayed} stayed + {len(refused)} refused"
        )
        if any(piece.kind == "schedule" for piece in plan) and not take_over:
            click.echo("Schedules stand still here; --take-over lets them run here instead of at the source.")
    if refused:
        raise SystemExit(1)


def _list(connection: "redis.Redis", prefix: str) -> None:
    names = find_queues(connection, prefix)
    if not names:
        click.echo(f"No BullMQ queue under the prefix {prefix!r}.")
    for name in names:
        queue = RedisQueue(connection, prefix, name)
        places = ("wait", "paused", "prioritized", "delayed", "active", "failed", "completed", "repeat")
        sizes = {place: queue.size(place) for place in places}
        click.echo(f"{name}: " + (", ".join(f"{size} {place}" for place, size in sizes.items() if size) or "empty"))


def _wishes(name: str, destination: str | None, headers: tuple[str, ...], told: dict[str, Any]) -> Wishes:
    if not destination and not told["rollback"]:
        raise click.UsageError("--to is needed: the URL that gets the jobs")
    lines = {}
    for header in headers:
        key, colon, value = header.partition(":")
        if not colon or not key.strip():
            raise click.UsageError(f"--header {header!r}: expected 'Name: value'")
        lines[key.strip()] = value.strip()
    return Wishes(
        destination or "",
        name,
        told["into"],
        told["failed"],
        told["stalled"],
        told["envelope"],
        lines,
        told["max_retries"],
        told["timezone"],
    )


def _plan_or_go(an_import: Import, report: Path | None, *, go: bool) -> bool:
    try:
        changed = an_import.suit()
    except BrokerUnreachable:
        if go:
            raise
        changed = "the broker gives no answer; the plan supposes that it takes dead letters"
    with _reporting(report) as tell:
        seen = an_import.look(tell)
    tell_survey(an_import.queue.name, seen, changed)
    if not go:
        click.echo("\nNothing was changed. Carry it out with --go.")
        return True
    with Narrator("moving", seen.moves.total()) as narrator:
        an_import.watch = narrator.watch
        account: Account = an_import.carry_out()
    tell_account(account)
    return not account.problems


def _roll_back(an_import: Import, wait: float) -> bool:
    with Narrator("putting back", None) as narrator:
        an_import.watch = narrator.watch
        done = an_import.roll_back(wait)
    click.echo(
        f"{an_import.queue.name}: {done.back} are back in BullMQ, {done.ran} had run or ended at the broker and stay there."
    )
    if done.busy:
        click.echo(
            f"{len(done.busy)} are being delivered at this moment ({', '.join(done.busy[:3])}): run --rollback again."
        )
    return not done.busy


@contextmanager
def _reporting(path: Path | None) -> Iterator[Any]:
    if path is None:
        yield lambda _: None
        return
    with path.open("a", encoding="utf-8") as file:
        yield Job(file).tell


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except BrokerUnreachable as error:
        raise NoAnswer(f"{error}\nWhat was begun is in the ledger: run the same command again to go on.") from error
    except (RingbackError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    except redis.RedisError as error:
        raise click.ClickException(f"Redis: {error}") from error
