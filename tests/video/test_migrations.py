"""Studio's database: the migrations make what the models say, whoever starts first."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, make_url, text

from ringback_video import migrations
from ringback_video.database import Database
from ringback_video.jobs import Shop
from ringback_video.tables import Table
from support.postgres import Server

STUDIO = Path(__file__).parents[2] / "apps" / "video"
OPEN = "import sys; from ringback_video.database import Database; Database(sys.argv[1]).close()"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'studio.db'}"
    server: Server = request.getfixturevalue("postgres")
    return server.fresh()


def engine(url: str) -> Engine:
    parts = make_url(url)
    return create_engine(parts.set(drivername="postgresql+psycopg") if parts.drivername == "postgresql" else parts)


def differences(url: str) -> list[object]:
    """Return where the tables are not what the models say; SQLite keeps texts of any length, so types say nothing there."""
    direct = engine(url)
    with direct.connect() as connection:
        options = {"compare_type": direct.dialect.name != "sqlite"}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), Table.metadata)
    direct.dispose()
    return list(found)


def version(url: str) -> str | None:
    direct = engine(url)
    with direct.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    direct.dispose()
    return found


def test_the_migrations_make_what_the_models_say(url: str) -> None:
    Database(url).close()
    assert differences(url) == []


def test_opening_again_changes_nothing_and_loses_nothing(url: str) -> None:
    first = Database(url)
    with first.transaction() as session:
        session.add(Shop(id="a", quota=7))
    first.close()
    made = version(url)
    second = Database(url)
    with second.transaction() as session:
        assert session.get_one(Shop, "a").quota == 7
    second.close()
    assert version(url) == made


def test_two_processes_that_start_at_once_share_the_work(url: str) -> None:
    starts = [subprocess.Popen([sys.executable, "-c", OPEN, url], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for start in starts:
        _, told = start.communicate(timeout=100)
        assert start.returncode == 0, told
    assert version(url)


def test_a_database_from_before_the_migrations_is_taken_on_with_what_is_in_it(url: str) -> None:
    direct = engine(url)
    with direct.begin() as connection:
        migrations.upgrade(connection, "0001")
        connection.execute(text("DROP TABLE alembic_version"))
        connection.execute(text("INSERT INTO shops (id, quota) VALUES ('old', 3)"))
    direct.dispose()
    database = Database(url)
    with database.transaction() as session:
        assert session.get_one(Shop, "old").quota == 3
    database.close()
    assert differences(url) == []


def test_the_wheel_brings_the_migrations(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(STUDIO)]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    [wheel] = tmp_path.glob("*.whl")
    inside = {Path(name).name for name in ZipFile(wheel).namelist() if "/migrations/" in name}
    assert {"env.py", *(path.name for path in (Path(migrations.__file__).parent / "versions").glob("0*.py"))} <= inside
