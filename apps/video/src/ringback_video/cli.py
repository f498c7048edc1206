"""The command line: `video-studio serve`, `demo`, `shop`, `orders` and `watch`."""

import argparse
import re
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

from ringback_video import demo

if TYPE_CHECKING:
    from ringback_video.studio import Studio


def main() -> None:
    """Run the `video-studio` command."""
    parser = argparse.ArgumentParser(prog="video-studio", description="Shop photos in, a finished video out.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser(
        "serve", help="run Studio; everything else comes from the environment, see .env.example"
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, default=8000, help="port to listen on (8000)")
    show = commands.add_parser("demo", help="start a broker and Studio, and make a sample video")
    show.add_argument("--keep", action="store_true", help="stay up until Ctrl-C")
    show.add_argument("--data", default="data", help="folder for everything that is kept (data)")
    show.add_argument("--template", default="showcase", help="template of the sample (showcase)")
    _add_shop_commands(commands.add_parser("shop", help="shops and their keys"))
    _add_order_commands(commands.add_parser("orders", help="orders that a provider may have taken: decide about them"))
    watch = commands.add_parser("watch", help="have the broker call Studio every minute to look after its jobs")
    watch.add_argument("--now", action="store_true", help="look after them once, now, and say what was found")
    options = parser.parse_args()
    if options.command == "serve":
        _serve(options.host, options.port)
    elif options.command == "shop":
        _shop(options)
    elif options.command == "orders":
        _orders(options)
    elif options.command == "watch":
        _watch(now=options.now)
    else:
        sys.exit(demo.run(options.data, options.template, keep=options.keep))


def _add_shop_commands(shop: argparse.ArgumentParser) -> None:
    actions = shop.add_subparsers(dest="action", required=True)
    add = actions.add_parser("add", help="make a shop; prints its key, once")
    add.add_argument("name")
    add.add_argument("--quota", type=int, help="finished videos it may have (STUDIO_QUOTA)")
    key = actions.add_parser("key", help="give a shop a new key; prints it, once")
    key.add_argument("name")
    key.add_argument(
        "--overlap",
        type=_duration,
        default="24h",
        help="how long its old keys go on working, such as 0, 30m, 24h, 7d (24h)",
    )
    actions.add_parser("list", help="shops, finished videos, quotas, and how many keys work")


def _add_order_commands(orders: argparse.ArgumentParser) -> None:
    actions = orders.add_subparsers(dest="action", required=True)
    actions.add_parser("parked", help="orders of which nobody knows whether the provider has taken them")
    made = actions.add_parser("made", help="it was made: the job goes on with it")
    made.add_argument("job")
    made.add_argument("operation", help="the provider's id of what was made")
    actions.add_parser("again", help="it was not made: send it once more").add_argument("job")
    actions.add_parser("give-up", help="it was not made: the job ends, and costs nothing").add_argument("job")


def _orders(options: argparse.Namespace) -> None:
    from ringback_video import parking

    decisions = {"again": parking.Decision.ORDER_AGAIN, "give-up": parking.Decision.GIVE_UP}
    with _studio() as studio:
        if options.action == "parked":
            with studio.database.transaction() as session:
                for order, job in parking.undecided(session):
                    sent = f"sent {job.sent_at:%Y-%m-%d %H:%M:%S} UTC" if job.sent_at else ""
                    print(f"{job.id}  {job.provider}  {job.shop_id}  {job.status}  {sent}  {order.reason}")
            return
        decision = decisions.get(options.action, parking.Decision.MADE)
        parking.decide(studio, options.job, decision, getattr(options, "operation", None))
        print(f"{options.job}: {decision}")


def _shop(options: argparse.Namespace) -> None:
    from ringback_video import keys, settings
    from ringback_video.database import Database

    try:
        settings.data_folder().mkdir(parents=True, exist_ok=True)
        with closing(Database(settings.database_url())) as database, database.transaction() as session:
            match options.action:
                case "add":
                    quota = settings.default_quota() if options.quota is None else options.quota
                    lines = [keys.add_shop(session, options.name, quota)]
                case "key":
                    lines = [keys.rotate_key(session, options.name, options.overlap)]
                case _:
                    lines = keys.list_shops(session)
    except ValueError as error:
        sys.exit(f"video-studio: {error}")
    print("\n".join(lines))


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,5})([smhd])|0", text)
    if not found:
        raise argparse.ArgumentTypeError(f"expected a duration such as 30m, 24h or 7d, not {text!r}")
    return timedelta(seconds=int(found[1] or 0) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found[2] or "s"])


def _watch(*, now: bool) -> None:
    from ringback_video import watchdog

    with _studio() as studio:
        if now:
            for what, jobs in asdict(watchdog.look(studio)).items():
                for job_id in jobs:
                    print(f"{what:<10} {job_id}  {jobs[job_id] if isinstance(jobs, dict) else ''}".rstrip())
            return
        watchdog.watch(studio)
        print(f"the broker calls {studio.settings.public_url}{watchdog.WATCHDOG_PATH} every minute")


@contextmanager
def _studio() -> Iterator["Studio"]:
    """Put Studio together for one command; what goes wrong is told in a line."""
    from ringback_video.settings import from_environment
    from ringback_video.studio import build

    try:
        studio = build(from_environment())
        try:
            yield studio
        finally:
            studio.database.close()
            studio.queue.http._client.close()  # noqa: SLF001 - the official client has no way to close it
    except Exception as error:  # noqa: BLE001 - a person reads it
        sys.exit(f"video-studio: {error}")


def _serve(host: str, port: int) -> None:
    from ringback_video import serving
    from ringback_video.app import create_app
    from ringback_video.serverless import create_serverless_app, is_serverless

    try:
        app = create_serverless_app() if is_serverless() else create_app()
    except ValueError as error:
        sys.exit(f"video-studio: {error}")
    serving.run(app, host, port)
