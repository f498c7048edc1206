"""The entry files of `deploy/studio` on their simulated platforms: PostgreSQL, a bucket, a provider, and nothing kept."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from ringback.simulate.pytest import Simulate
from ringback_video.serverless import is_serverless, serverless_settings
from simulate.conftest import variables
from simulate.test_studio import VideoService, order, video
from support.endpoint import eventually, listening
from support.ports import free_port
from support.postgres import serving
from support.process import BrokerProcess

__all__ = ["video"]

DEPLOY = Path(__file__).parents[2] / "deploy" / "studio"
ENTRIES = {"vercel": DEPLOY / "vercel" / "app.py", "lambda": DEPLOY / "lambda" / "handler.py"}
AMAZON = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """Run an S3 stand-in with a bucket; return its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in AMAZON.items():
            patch.setenv(name, value)
        boto3.client("s3", endpoint_url=url).create_bucket(Bucket="studio")
    yield url
    server.stop()


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with serving() as server:
        yield server.fresh()


@pytest.mark.parametrize("name", ["vercel", "lambda"])
def test_a_video_is_made_where_nothing_is_kept(
    simulate: Simulate, apps: Path, broker: BrokerProcess, bucket: str, database: str, video: bytes, name: str
) -> None:
    service = VideoService(video)
    with listening(service.respond) as listener:
        told = {
            "ENTRY": str(ENTRIES[name]),
            "RENDER_URL": listener.url,
            "STUDIO_URL": "{url}",
            "DATABASE_URL": database,
            "STUDIO_S3_BUCKET": "studio",
            "STUDIO_S3_URL": bucket,
            "STUDIO_PROVIDER": "elsewhere",
        }
        simulation = simulate(
            name, "deployed:app", folder=apps, environment=variables(broker) | AMAZON | told, start_s=30
        )
        job_id = order(simulation, f"deployed on {name}")
        simulation.redeploy()

        def done() -> dict[str, object] | None:
            job = httpx.get(f"{simulation.url}/api/jobs/{job_id}", timeout=60).json()
            return job if job["status"] in ("done", "failed") else None

        job = eventually(done, 90)
        assert isinstance(job, dict)
        assert job["status"] == "done", job
        told_at_once = httpx.get(f"{simulation.url}/api/jobs/{job_id}/events", timeout=60)
        assert '"status": "done"' in told_at_once.text
        link = httpx.get(job["videoUrl"], timeout=60)
        assert link.headers["location"].startswith(f"{bucket}/studio/videos/")
        assert httpx.get(link.headers["location"], timeout=60).content == video
        assert [str(one) for one in simulation.findings if one.severity.name == "ERROR"] == []


def test_everything_that_cannot_work_there_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"DATABASE_URL.*STUDIO_S3_BUCKET.*STUDIO_PROVIDER.*STUDIO_URL"):
        serverless_settings({})
    with pytest.raises(ValueError, match=r"^DATABASE_URL must be a PostgreSQL"):
        serverless_settings(
            {
                "DATABASE_URL": "sqlite:///x.db",
                "STUDIO_S3_BUCKET": "b",
                "STUDIO_PROVIDER": "fal",
                "STUDIO_URL": "https://s.example",
            }
        )
    assert is_serverless({"K_SERVICE": "studio"})
    assert not is_serverless({})
