"""Which facets fit a query of history, as conditions in SQL: all of them, or asked record by record."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from ringback.broker.records import FacetLabel, Facets, Record
from ringback.broker.rules.facets import label_key
from ringback.broker.stores.contract import Query, Where
from ringback.broker.stores.rows import TABLES
from ringback.broker.stores.sql import Statement, condition


def about_of(kind: type[Record], query: Query) -> list[Where]:
    """Return the conditions on facets that a query amounts to; none where it names records, messages or runs one by one."""
    table = TABLES[kind]
    if table.faceted is None or query.order != table.key:
        return []
    about = []
    for one in query.where:
        if one.column in ("message", "run_id") or (one.column in table.key and one.op in ("=", "in")):
            return []
        if one.column == "tenant":
            about.append(one)
        elif one.column == "run":
            about.append(Where("of_run", "=", int(one.op != "=")))  # asked is `= 0` or `> 0`
        elif one.column.startswith("message.") or one.column in table.alike:
            about += _about_facets(one)
    return about


def _about_facets(one: Where) -> list[Where]:
    """Where a URL is asked for, its host is too: that has an index, a URL may be too long for one."""
    column = one.column.removeprefix("message.")
    if column == "host":
        return [Where(column, one.op, tuple(host[:255] for host in one.value))]
    if column == "url" and one.op == "in":
        hosts = tuple({_host(url) for url in one.value})
        return [Where("host", "in", hosts), Where(column, one.op, one.value)]
    return [Where(column, one.op, one.value)]


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc[:255]
    except ValueError:
        return ""  # no message was ever accepted for it


def own_of(kind: type[Record], query: Query) -> list[Where]:
    """Return the conditions that are asked of each record; for the rest, its facets vouch."""
    theirs = ("tenant", "run", *TABLES[kind].alike)
    return [one for one in query.where if one.column not in theirs and not one.column.startswith("message.")]


def fitting(about: Sequence[Where], *, one_by_one: bool = False) -> Statement:
    """All facets that fit."""
    values: list[Any] = []
    conditions = [
        _labelled(about, one.value, values, of="+f.id" if one_by_one else None)
        if one.column == "labels"
        else condition("f", one, values)
        for one in about
    ]
    return Statement(f"{TABLES[Facets].name} f WHERE {' AND '.join(conditions)}", values)


def fits(about: Sequence[Where]) -> Statement:
    """Return the condition that a record's facets fit, to be asked row by row.

    A planner would make a join of EXISTS, and may begin it at the wrong end; a value it has to ask for.
    """
    if sorted(one.column for one in about) == ["labels", "tenant"]:
        values: list[Any] = []
        (labels,) = (one.value for one in about if one.column == "labels")
        return Statement(_labelled(about, labels, values, of="r.facets"), values)
    all_ = fitting(about, one_by_one=True)
    return Statement(f"(SELECT TRUE FROM {all_.text} AND f.id = r.facets LIMIT 1)", all_.values)


def _labelled(about: Sequence[Where], labels: Sequence[str], values: list[Any], *, of: str | None) -> str:
    """Return the condition that facets have one of some labels; it names the tenant, so that an index is used.

    Args:
        about: all conditions.
        labels: of which they have one.
        values: the statement's values, added to.
        of: number of the facets, to ask for them one by one; without it, those that fit are looked up.
    """
    tenants = [one.value for one in about if one.column == "tenant"]
    values += [*tenants, *map(label_key, labels)]
    marks = ", ".join("?" * len(labels))
    tenant = "l.tenant = ? AND " if tenants else ""
    having = f"FROM {TABLES[FacetLabel].name} l WHERE {tenant}l.label IN ({marks})"
    return f"(SELECT TRUE {having} AND l.facets = {of} LIMIT 1)" if of else f"f.id IN (SELECT l.facets {having})"
