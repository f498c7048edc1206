"""Payloads are sealed at rest: not in the file, not without the key, and a key can be rotated."""

import asyncio
import os
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from ringback.broker.records import Message
from ringback.broker.settings import KEY_BYTES
from ringback.broker.stores.contract import Query, StoreUnavailable
from ringback.broker.stores.rows import CODECS
from ringback.broker.stores.seal import Seal, sealed
from ringback.broker.stores.sqlite import SqliteStore
from ringback.cli.commands import ringback
from support.inprocess import inprocess

OLD, NEW = os.urandom(KEY_BYTES), os.urandom(KEY_BYTES)
SECRET = b"a secret that must not be readable in the file"
URL = "https://api.example.com/in"


def store(path: Path, keys: Sequence[bytes]) -> SqliteStore:
    return SqliteStore(path, sealed(keys) if keys else CODECS)


async def kept(path: Path, keys: Sequence[bytes]) -> str:
    """Publish a message that waits, and return its id."""
    async with inprocess(store(path, keys)) as ringed:
        return await ringed.publish(URL, SECRET, upstash_delay="1h", upstash_forward_authorization=SECRET.decode())


async def body(path: Path, keys: Sequence[bytes], message: str) -> bytes:
    async with inprocess(store(path, keys)) as ringed:
        answer = await ringed.call("GET", f"/v2/messages/{message}")
        return str(answer.json["body"]).encode()


def stored(path: Path) -> bytes:
    return b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*"))


async def test_what_is_sealed_is_not_in_the_file_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "sealed.db"
    message = await kept(path, [OLD])
    assert SECRET not in stored(path)
    assert await body(path, [OLD], message) == SECRET


async def test_without_encryption_it_is_in_the_file(tmp_path: Path) -> None:
    await kept(tmp_path / "plain.db", [])
    assert SECRET in stored(tmp_path / "plain.db")


async def test_a_new_key_seals_and_the_old_one_still_opens(tmp_path: Path) -> None:
    path = tmp_path / "rotated.db"
    old = await kept(path, [OLD])
    new = await kept(path, [NEW, OLD])
    assert [await body(path, [NEW, OLD], one) for one in (old, new)] == [SECRET, SECRET]


async def test_what_was_stored_before_encryption_is_still_read(tmp_path: Path) -> None:
    path = tmp_path / "later.db"
    message = await kept(path, [])
    assert await body(path, [NEW], message) == SECRET


async def test_without_its_key_a_record_is_refused_and_the_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "locked.db"
    await kept(path, [OLD])
    opened = store(path, [NEW])
    await opened.open()
    with pytest.raises(StoreUnavailable, match="RINGBACK_ENCRYPTION_KEYS"):
        await opened.read(lambda tx: tx.find(Message, Query()))
    await opened.close()


def test_a_changed_record_or_one_of_another_table_does_not_open() -> None:
    seal = Seal([OLD])
    closed = seal.close(b"record", b"messages")
    assert seal.open(closed, b"messages") == b"record"
    for changed, table in ((closed[:-1] + bytes([closed[-1] ^ 1]), b"messages"), (closed, b"runs")):
        with pytest.raises(StoreUnavailable, match="changed outside"):
            seal.open(changed, table)
    assert seal.close(b"record", b"messages") != closed


def test_everything_is_sealed_anew_and_then_the_old_key_can_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "resealed.db"
    message = asyncio.run(kept(path, [OLD]))
    keys = ",".join(urlsafe_b64encode(key).decode() for key in (NEW, OLD))
    environment = {
        "RINGBACK_DATABASE": str(path),
        "RINGBACK_ENCRYPTION_KEYS": keys,
        "QSTASH_TOKEN": "a token of ours",
        "QSTASH_CURRENT_SIGNING_KEY": "sig_a",
        "QSTASH_NEXT_SIGNING_KEY": "sig_b",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said = CliRunner().invoke(ringback, ["reseal"])
    assert said.exit_code == 0, said.output
    assert asyncio.run(body(path, [NEW], message)) == SECRET


def test_a_key_of_another_length_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_ENCRYPTION_KEYS", "too-short-secret")
    for name in ("QSTASH_TOKEN", "QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY"):
        monkeypatch.setenv(name, f"some-{name}")
    said = CliRunner().invoke(ringback, ["reseal"])
    assert "32 bytes" in said.output
    assert "too-short-secret" not in said.output
    made = CliRunner().invoke(ringback, ["secrets", "--encryption-key"]).output.strip().partition("=")[2]
    monkeypatch.setenv("RINGBACK_ENCRYPTION_KEYS", made)
    assert "32 bytes" not in CliRunner().invoke(ringback, ["reseal", "--help"]).output
