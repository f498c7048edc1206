"""Indexes of tables that brokers write to: made beside their work, each by itself, so that nobody waits for them."""

import logging
import re
from typing import Any

import asyncpg

from ringback.broker.stores.postgres.connections import SCHEMA

_log = logging.getLogger("ringback.postgres")

_COMMENT = re.compile("--.*")
_MAKES = re.compile(r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY (\w+) ON \w+ ")
_IS_VALID = """
SELECT indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = $1 AND relname = $2
"""


def made_beside(statements: str) -> dict[str, str]:
    """Return the indexes that a migration makes outside of a transaction, by name, each with its statement.

    Raises:
        ValueError: there are other statements beside them.
    """
    if "CONCURRENTLY" not in statements:
        return {}
    found = [" ".join(one.split()) for one in _COMMENT.sub("", statements).split(";")]
    named = [(_MAKES.match(one), one) for one in found if one]
    wrong = [one for makes, one in named if makes is None]
    if wrong:
        raise ValueError(f"a migration that makes indexes concurrently does nothing else: {wrong[0]}")
    return {makes[1]: one for makes, one in named if makes is not None}


async def make(connection: "asyncpg.Connection[Any]", name: str, statement: str) -> None:
    """Make an index, unless it is there; one that was broken off is there, but not valid, and is made anew.

    It waits until transactions have ended that began before it, however long that takes: nobody is held up by that.

    Args:
        connection: in no transaction.
        name: what the index is called.
        statement: makes it.
    """
    is_valid = await connection.fetchval(_IS_VALID, SCHEMA, name)
    if is_valid:
        return
    await connection.execute("SET lock_timeout = 0")
    if is_valid is False:
        _log.info("the index %s was not finished: it is made anew", name)
        await connection.execute(f"DROP INDEX CONCURRENTLY {name}")
    _log.info("the index %s is made beside the work of brokers, after what reads at the moment has ended", name)
    await connection.execute(statement)
