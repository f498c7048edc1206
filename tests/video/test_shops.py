"""Many shops in one Studio: keys, what each of them sees, sessions of browsers, and pages of jobs."""

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from fastapi.testclient import TestClient

from ringback_video import cli, keys
from ringback_video.access import COOKIE
from ringback_video.app import create_app
from ringback_video.jobs import Job, Key
from ringback_video.settings import Settings
from ringback_video.studio import Studio, build
from ringback_video.tables import now

URL = "https://studio.example"
SAME = {"Origin": URL}


@pytest.fixture
def studio(tmp_path: Path, new_database: Callable[[], str]) -> Iterator[Studio]:
    """A Studio for the public, on each database: the demo is off. Nothing listens where it looks for a broker."""
    where = ("http://127.0.0.1:9", "token", ("one", "two"))
    parts = build(Settings(tmp_path, new_database(), URL, *where, secret="a secret"))
    yield parts
    parts.database.close()
    parts.queue.http._client.close()  # the official client has no way to close it


@pytest.fixture
def client(studio: Studio) -> Iterator[TestClient]:
    with TestClient(create_app(studio), base_url=URL, follow_redirects=False) as running:
        yield running


def shop(studio: Studio, name: str) -> dict[str, str]:
    """Make a shop; return the headers of its programs."""
    with studio.database.transaction() as session:
        return {"Authorization": f"Bearer {keys.add_shop(session, name, 10)}"}


def jobs(studio: Studio, name: str, count: int = 1, status: str = "done") -> list[str]:
    """Write down jobs, some of the same moment; return their ids, the newest first."""
    start = now()
    made = [
        Job(
            id=str(uuid4()),
            shop_id=name,
            template_id="runway",
            caption="",
            source_image_urls=["https://x.example/p.jpg"],
            status=status,
            fingerprint=str(number),
            created_at=start + timedelta(seconds=number // 2),
            updated_at=start,
        )
        for number in range(count)
    ]
    order = [job.id for job in sorted(made, key=lambda job: (job.created_at, job.id), reverse=True)]
    with studio.database.transaction() as session:
        session.add_all(made)
    return order


def log_in(client: TestClient, key: dict[str, str]) -> httpx.Response:
    return client.post("/login", data={"key": key["Authorization"].removeprefix("Bearer ")}, headers=SAME)


def test_what_becomes_of_a_job_is_told_through_proxies_at_once(studio: Studio, client: TestClient) -> None:
    flowers = shop(studio, "flowers")
    [job] = jobs(studio, "flowers", status="done")
    told = client.get(f"/api/jobs/{job}/events", headers=flowers)
    assert told.headers["content-type"].startswith("text/event-stream")
    assert told.text.count("data: ") == 1
    assert (told.headers["x-accel-buffering"], told.headers["cache-control"]) == ("no", "no-store")


def test_without_a_key_nothing_of_a_shop_is_shown(studio: Studio, client: TestClient) -> None:
    [job] = jobs(studio, "demo-shop")
    asked = [client.get(path) for path in ("/api/jobs", f"/api/jobs/{job}", f"/api/jobs/{job}/events")]
    asked += [client.get("/api/shops/demo-shop"), client.post(f"/api/jobs/{job}/cancel")]
    asked += [client.post(f"/api/jobs/{job}/retry"), client.post("/api/uploads", files={"photo": b"x"})]
    assert [answer.status_code for answer in asked] == [401] * len(asked)
    assert asked[0].headers["WWW-Authenticate"] == "Bearer"
    assert asked[0].json()["field"] == "Authorization"


def test_what_belongs_to_nobody_needs_no_key(client: TestClient) -> None:
    assert client.get("/api/templates").status_code == 200
    assert client.get("/photos/coffee.jpg").status_code == 200


def test_a_wrong_key_is_refused_also_where_the_demo_is_on(tmp_path: Path) -> None:
    where = ("http://127.0.0.1:9", "token", ("one", "two"))
    parts = build(Settings(tmp_path, f"sqlite:///{tmp_path / 's.db'}", "http://127.0.0.1:8000", *where))
    with TestClient(create_app(parts)) as client:
        assert client.get("/api/jobs").status_code == 200
        assert client.get("/api/jobs", headers={"Authorization": "Bearer vs_wrong"}).status_code == 401
        assert client.get("/api/jobs", params={"shopId": "nobody"}).status_code == 404
        elsewhere = {"Sec-Fetch-Site": "cross-site"}
        assert client.post(f"/api/jobs/{uuid4()}/cancel", headers=elsewhere).status_code == 403
        led_here = {
            "Host": "evil.example:8000",
            "Origin": "http://evil.example:8000",
        }  # whose name leads to this machine
        assert client.get("/api/jobs", headers=led_here).status_code == 401
    parts.queue.http._client.close()


def test_a_shop_sees_its_own_jobs_and_no_others(studio: Studio, client: TestClient) -> None:
    flowers, bread = shop(studio, "flowers"), shop(studio, "bread")
    [job] = jobs(studio, "flowers", status="processing")
    assert [one["jobId"] for one in client.get("/api/jobs", headers=flowers).json()] == [job]
    assert client.get(f"/api/jobs/{job}", headers=flowers).json()["shopId"] == "flowers"
    assert client.get("/api/jobs", headers=bread).json() == []
    asked = [client.get(f"/api/jobs/{job}{more}", headers=bread) for more in ("", "/events")]
    asked += [client.post(f"/api/jobs/{job}/{act}", headers=bread) for act in ("cancel", "retry")]
    assert [answer.status_code for answer in asked] == [404] * 4
    assert client.get(f"/api/jobs/{job}", headers=flowers).json()["status"] == "processing"
    assert client.post(f"/api/jobs/{job}/cancel", headers=flowers).json()["status"] == "canceled"


def test_a_key_acts_for_no_other_shop(studio: Studio, client: TestClient) -> None:
    flowers = shop(studio, "flowers")
    order = {"shopId": "demo-shop", "templateId": "runway", "sourceImageUrls": ["https://x.example/p.jpg"]}
    asked = [client.post("/api/generate", json=order, headers=flowers), client.get("/api/shops/bread", headers=flowers)]
    asked.append(client.get("/api/jobs", params={"shopId": "demo-shop"}, headers=flowers))
    for answer in asked:
        assert (answer.status_code, answer.json()["field"]) == (403, "shopId")
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert client.get("/api/shops/flowers", headers=flowers).json()["quota"] == 10


def test_a_key_itself_is_not_kept(studio: Studio) -> None:
    key = shop(studio, "flowers")["Authorization"].removeprefix("Bearer ")
    with studio.database.transaction() as session:
        assert session.get(Key, keys.digest(key)) is not None
    assert not any(key.encode() in path.read_bytes() for path in studio.settings.data.glob("*.db*"))


def test_after_a_change_of_keys_the_old_one_works_for_the_overlap_only(studio: Studio, client: TestClient) -> None:
    old = shop(studio, "flowers")
    with studio.database.transaction() as session:
        middle = {"Authorization": f"Bearer {keys.rotate_key(session, 'flowers', timedelta(hours=24))}"}
    assert [client.get("/api/jobs", headers=key).status_code for key in (old, middle)] == [200, 200]
    with studio.database.transaction() as session:
        new = {"Authorization": f"Bearer {keys.rotate_key(session, 'flowers', timedelta(0))}"}
    assert [client.get("/api/jobs", headers=key).status_code for key in (old, middle, new)] == [401, 401, 200]


def test_a_browser_logs_in_with_a_key_and_out_again(studio: Studio, client: TestClient) -> None:
    flowers = shop(studio, "flowers")
    assert client.get("/").headers["Location"] == "/login"
    assert 'name="key"' in client.get("/login").text
    answer = log_in(client, flowers)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    told = answer.headers["Set-Cookie"].lower()
    assert "httponly" in told
    assert "samesite=lax" in told
    assert "secure" in told
    assert 'data-shop="flowers"' in client.get("/").text
    assert client.get("/api/jobs").json() == []
    assert client.post("/logout", headers=SAME).status_code == 303
    assert client.get("/api/jobs").status_code == 401


def test_a_wrong_key_opens_no_session(client: TestClient) -> None:
    answer = client.post("/login", data={"key": "vs_wrong"}, headers=SAME)
    assert answer.status_code == 401
    assert "not known" in answer.text
    assert "Set-Cookie" not in answer.headers


def test_a_session_ends_with_its_key(studio: Studio, client: TestClient) -> None:
    log_in(client, shop(studio, "flowers"))
    assert client.get("/api/jobs").status_code == 200
    with studio.database.transaction() as session:
        keys.rotate_key(session, "flowers", timedelta(0))
    assert client.get("/api/jobs").status_code == 401


@pytest.mark.parametrize(
    "forged", ["", "x", "a.b.c", "é", "{digest}.99999999999.{signature}", "{digest}.1.{signature}"]
)
def test_a_forged_session_is_none(studio: Studio, client: TestClient, forged: str) -> None:
    log_in(client, shop(studio, "flowers"))
    digest, _, signature = str(client.cookies[COOKIE]).split(".")
    client.cookies.clear()
    cookie = f"{COOKIE}={forged.format(digest=digest, signature=signature)}".encode("latin-1")
    assert client.get("/api/jobs", headers=[(b"cookie", cookie)]).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": URL}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": URL}, 200),
    ],
)
def test_with_a_session_changes_come_from_our_own_pages(
    studio: Studio, client: TestClient, headers: dict[str, str], status: int
) -> None:
    log_in(client, shop(studio, "flowers"))
    [job] = jobs(studio, "flowers", status="processing")
    assert client.post(f"/api/jobs/{job}/cancel", headers=headers).status_code == status


def test_jobs_come_in_pages_that_miss_none_and_repeat_none(studio: Studio, client: TestClient) -> None:
    flowers = shop(studio, "flowers")
    expected = jobs(studio, "flowers", 7)
    found, sizes, address = [], [], "/api/jobs?limit=3"
    while address:
        page = client.get(address, headers=flowers)
        found += [job["jobId"] for job in page.json()]
        sizes.append(len(page.json()))
        address = page.links["next"]["url"] if "X-Next-Cursor" in page.headers else ""
    assert sizes == [3, 3, 1]
    assert found == expected
    assert client.get("/api/jobs?limit=7", headers=flowers).headers.get("X-Next-Cursor") is None


@pytest.mark.parametrize("cursor", ["", "x", "é", "MjAyNi0wMS0wMSB4"])
def test_a_cursor_that_is_not_ours_is_refused(studio: Studio, client: TestClient, cursor: str) -> None:
    answer = client.get("/api/jobs", params={"cursor": cursor}, headers=shop(studio, "flowers"))
    assert (answer.status_code, answer.json()["field"]) == (422, "cursor")


def test_the_description_tells_keys_and_cursors(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    jobs = described["paths"]["/api/jobs"]["get"]
    assert jobs["security"] == [{"HTTPBearer": []}]
    assert set(jobs["responses"]["200"]["headers"]) == {"X-Next-Cursor", "Link"}


@pytest.mark.parametrize(
    ("url", "told", "is_on"),
    [
        ("http://127.0.0.1:8000", None, True),
        ("http://localhost:8000", None, True),
        ("http://[::1]:8000", None, True),
        ("https://studio.example", None, False),
        ("https://127.evil.example", None, False),
        ("https://studio.example", True, True),
        ("http://127.0.0.1:8000", False, False),
    ],
)
def test_the_demo_is_on_where_only_this_machine_comes_in(url: str, told: bool | None, is_on: bool) -> None:
    assert Settings(Path(), "", url, "", "", (), demo=told).is_demo is is_on


def test_shops_are_kept_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STUDIO_DATA", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)

    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["video-studio", "shop", *words])
        cli.main()
        return capsys.readouterr().out.strip()

    first = run("add", "flowers", "--quota", "5")
    second = run("key", "flowers")
    assert first.startswith("vs_")
    assert second not in ("", first)
    assert run("list").splitlines()[1].split() == ["flowers", "0", "5", "2"]
    run("key", "flowers", "--overlap", "0")
    assert run("list").splitlines()[1].split() == ["flowers", "0", "5", "1"]
    for words in (("add", "flowers"), ("add", "No Name"), ("key", "nobody"), ("key", "flowers", "--overlap", "soon")):
        with pytest.raises(SystemExit) as refused:
            run(*words)
        assert refused.value.code not in (0, None)
