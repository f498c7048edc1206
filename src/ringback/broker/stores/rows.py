"""How records become rows: one declaration for each type of record, shared by all stores."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from ringback.broker import records
from ringback.broker.records import Facets, Message, Record
from ringback.broker.stores.contract import StoreUnavailable
from ringback.wire.remembered import remembered

Columns = dict[str, Callable[[Any], Any] | str]


class Table(Struct, frozen=True):
    """Where one type of record lives.

    Attributes:
        name: table name.
        kind: type of its records.
        key: attributes that identify a record, in order.
        columns: what can be asked for beside the key; an attribute of the same name, or a function of the record.
        sets: columns that hold several values (asked with `contains`).
        indexes: columns, joined by commas, of each index; rows whose first column is NULL are left out of it.
        far: more indexes, for PostgreSQL only: SQLite asks messages one by one, and would write them for nothing.
        deferred: one more index, which SQLite writes later than the rows; see `stores.deferred`.
        faceted: column of its own that it is filtered by beside its facets, if it has any (see `stores.pages`).
        common: values of `faceted` that are too common for an index; all others get one.
        about: key attribute that names the message the record is about, if any.
        alike: columns that stand in the record's facets too.
        fixed: columns that never change once a record is written, so that writing it again leaves them and their indexes alone.
        told: other brokers on the same store are told of changes: they keep these records in memory, or act on them.
    """

    name: str
    kind: type[Record]
    key: tuple[str, ...]
    columns: Columns = {}
    sets: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    about: str | None = None
    far: tuple[str, ...] = ()
    deferred: str | None = None
    faceted: str | None = None
    common: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    told: bool = False


@remembered(4096)
def _parts(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.netloc, parts.path


def _host(of: Message | Facets) -> str:
    return _parts(of.url)[0]


def host_key(of: Facets) -> str:
    """Return what facets are found by: the host, cut where it is longer than a host can be."""
    return _host(of)[:255]


def _path(of: Message | Facets) -> str:
    return _parts(of.url)[1]


def _set(name: str) -> Callable[[Any], str | None]:
    read = attrgetter(name)

    def joined(record: Any) -> str | None:
        values = read(record)
        return "\x1f" + "\x1f".join(values) + "\x1f" if values else None

    return joined


def _flow_key(message: Message) -> str | None:
    return message.flow.key if message.flow else None


def _plain(*names: str) -> Columns:
    return {name: name for name in names}


_ALIKE = ("url", "host", "path", "labels", "flow_key", "caller_ip")

TABLES: dict[type[Record], Table] = {
    table.kind: table
    for table in (
        Table(
            "messages",
            records.Message,
            ("seq",),
            {
                **_plain("tenant", "url", "caller_ip", "queue", "group", "schedule"),
                "host": _host,
                "path": _path,
                "flow_key": _flow_key,
                "labels": _set("labels"),
            },
            sets=("labels",),
            far=("queue", "group", "schedule", "flow_key"),
        ),
        Table(
            "deliveries",
            records.Delivery,
            ("seq",),
            _plain("tenant", "due_at", "wake_at", "lane", "lease", "queue", "run"),
            indexes=("wake_at", "lane,due_at,seq", "lane,seq", "lease", "queue", "run"),
            about="seq",
        ),
        Table("lanes", records.Lane, ("tenant", "kind", "name"), _plain("wake_at"), indexes=("wake_at",)),
        Table(
            "events",
            records.Event,
            ("pos",),
            _plain("tenant", "message", "state", "facets"),
            indexes=("message,pos",),
            about="message",
            deferred="facets,state,pos",
            faceted="state",
            common=("CREATED", "ACTIVE", "DELIVERED"),
        ),
        Table(
            "dead_letters",
            records.DeadLetter,
            ("pos",),
            _plain("tenant", "message", "status", "run", "facets"),
            indexes=("message", "run", "facets,pos", "facets,status,pos", "status,pos"),
            about="message",
            faceted="status",
        ),
        Table(
            "facets",
            records.Facets,
            ("id",),
            {
                **_plain("day", "tenant", "url", "caller_ip", "queue", "group", "schedule", "flow_key", "of_run"),
                "host": host_key,
                "path": _path,
            },
            indexes=("host", "caller_ip", "queue", "group", "schedule", "flow_key"),
        ),
        Table("facet_labels", records.FacetLabel, ("tenant", "label", "facets")),
        Table("stretches", records.Stretch, ("of", "upto")),
        Table("daily_counts", records.DailyCount, ("tenant",)),
        Table("minute_counts", records.MinuteCounts, ("tenant", "minute", "node")),
        Table("bulk_actions", records.BulkAction, ("pos",), _plain("tenant")),
        Table("bulk_cancels", records.BulkCancel, ("pos",), _plain("tenant")),
        Table("removals", records.Removal, ("pos",), _plain("tenant", "open"), indexes=("open",)),
        Table("audit_log", records.AuditEntry, ("pos",), _plain("tenant")),
        Table("dedups", records.Dedup, ("tenant", "id"), _plain("expires_at"), indexes=("expires_at",)),
        Table("schedules", records.Schedule, ("tenant", "id"), _plain("wake_at"), indexes=("wake_at",)),
        Table(
            "runs",
            records.Run,
            ("seq",),
            {
                **_plain("tenant", "run_id", "url", "state", "caller_ip", "dead_letter", "facets"),
                "host": lambda run: _parts(run.url)[0],
                "path": lambda run: _parts(run.url)[1],
                "flow_key": lambda run: run.options.flow_control.key if run.options.flow_control else None,
                "labels": _set("options.labels"),
            },
            indexes=("run_id", "flow_key", "facets,state,seq"),
            faceted="state",
            common=("RUN_SUCCESS",),
            alike=_ALIKE,
            fixed=("tenant", "run_id", "facets", *_ALIKE),
        ),
        Table("active_runs", records.ActiveRun, ("tenant", "run_id")),
        Table(
            "entries", records.Entry, ("run", "identity"), _plain("place", "message"), indexes=("run,place", "message")
        ),
        Table(
            "waiters",
            records.Waiter,
            ("tenant", "event_id", "seq"),
            _plain("run", "wake_at"),
            indexes=("run", "wake_at"),
        ),
        Table("saved_events", records.SavedEvent, ("seq",), _plain("run", "event_id"), indexes=("run,event_id",)),
        Table("progress", records.Progress, ("run", "message"), told=True),
        Table("url_groups", records.UrlGroup, ("tenant", "name")),
        Table("signing_keys", records.SigningKeys, ("tenant",), told=True),
        Table("nodes", records.Node, ("slot",)),
    )
}

MARK = b"\xc1"
"""What a sealed record begins with, and no other one: MessagePack never uses it."""
_ENCODER = msgspec.msgpack.Encoder()


class Codec:
    """Turns records of one type into rows, and the stored bytes back into records."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.names = (*table.key, *table.columns)
        derived = [read for read in table.columns.values() if callable(read)]
        plain = [*table.key, *(read for read in table.columns.values() if isinstance(read, str))]
        self._plain_only = not derived
        self._readers = [attrgetter(n) for n in table.key] + [
            read if callable(read) else attrgetter(read) for read in table.columns.values()
        ]
        self._plain = attrgetter(*plain)
        self._single = len(plain) == 1
        self._read_key: Callable[[Any], Any] = attrgetter(*table.key)
        self._single_key = len(table.key) == 1
        self._decode = msgspec.msgpack.Decoder(table.kind).decode

    def key(self, record: Record) -> tuple[Any, ...]:
        """Return the key of a record."""
        return (self._read_key(record),) if self._single_key else self._read_key(record)

    def columns(self, record: Record) -> tuple[Any, ...]:
        """Return the values of the key and all columns, in the order of `names`."""
        if self._plain_only:
            return (self._plain(record),) if self._single else self._plain(record)
        return tuple([read(record) for read in self._readers])

    def row(self, record: Record) -> tuple[Any, ...]:
        """Return key, columns and the whole record as bytes."""
        return (*self.columns(record), _ENCODER.encode(record))

    def encode(self, record: Record) -> bytes:
        """Return a record as it is stored."""
        return _ENCODER.encode(record)

    def record(self, stored: bytes) -> Any:
        """Return the record that was stored as these bytes.

        Raises:
            StoreUnavailable: it is sealed.
        """
        try:
            return self._decode(stored)
        except msgspec.DecodeError as error:
            if stored[:1] == MARK:
                raise StoreUnavailable("a record is encrypted, and RINGBACK_ENCRYPTION_KEYS is not set") from error
            raise


CODECS: dict[type[Record], Codec] = {kind: Codec(table) for kind, table in TABLES.items()}
