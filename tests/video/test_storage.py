"""Files are kept, linked and refused alike in a folder and in an S3-compatible store."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from ringback_video.storage import FolderStorage, Storage, StorageUnavailable
from ringback_video.storage.s3 import S3Storage
from support.ports import free_port

BUCKET = "studio"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Run an S3 stand-in and return its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket=BUCKET)
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "videos", "http://studio.test/files/videos", "secret")


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, folder: FolderStorage) -> Storage:
    return folder if request.param == "folder" else S3Storage(BUCKET, "videos/", request.getfixturevalue("s3"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "made.mp4"
    path.write_bytes(b"a video")
    return path


def test_what_is_kept_is_found_under_a_name_nobody_guesses(storage: Storage, file: Path) -> None:
    first, second = (storage.keep(file, ".mp4", "video/mp4") for _ in range(2))
    assert first != second
    assert len(first) > 20
    assert storage.load(first) == b"a video"


def test_a_second_copy_takes_the_place_of_the_first(storage: Storage, file: Path) -> None:
    assert storage.keep(file, ".mp4", "video/mp4", "job-1") == "job-1.mp4"
    file.write_bytes(b"made again")
    storage.keep(file, ".mp4", "video/mp4", "job-1")
    assert storage.load("job-1.mp4") == b"made again"


@pytest.mark.parametrize("name", ["none.mp4", "", "../made.mp4", "a/b.mp4", ".hidden", "x" * 200, "a\nb"])
def test_what_is_not_there_has_no_link(storage: Storage, name: str) -> None:
    assert storage.load(name) is None
    assert storage.link(name, "video/mp4") is None


def test_a_link_of_the_store_leads_to_the_file(s3: str, file: Path) -> None:
    storage = S3Storage(BUCKET, "videos/", s3)
    link = storage.link(storage.keep(file, ".mp4", "video/mp4"), "video/mp4")
    assert link is not None
    found = httpx.get(link)
    assert (found.content, found.headers["content-type"]) == (b"a video", "video/mp4")
    assert "X-Amz-Expires=600" in link


def test_a_link_of_the_folder_is_good_for_its_file_and_its_time_only(folder: FolderStorage, file: Path) -> None:
    name, other = (folder.keep(file, ".mp4", "video/mp4") for _ in range(2))
    link = httpx.URL(folder.link(name, "video/mp4") or "")
    until, signature = int(link.params["until"]), link.params["signature"]
    assert folder.served(name, until, signature) is not None
    for changed in (
        (other, until, signature),
        (name, until + 1, signature),
        (name, until, "0" * 64),
        (name, until, "ä"),
    ):
        assert folder.served(*changed) is None
    assert folder.served(name, 1, folder._signature(name, 1)) is None


def test_a_store_that_cannot_be_reached_is_told_from_a_file_that_is_not_there(s3: str, file: Path) -> None:
    away = S3Storage("no-such-bucket", "videos/", s3)
    with pytest.raises(StorageUnavailable):
        away.keep(file, ".mp4", "video/mp4")
