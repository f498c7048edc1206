"""The OpenAPI description: every operation has examples, and every example is what its schema says."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ringback_video.app import create_app
from ringback_video.settings import Settings
from ringback_video.studio import build

WHERE = ("http://127.0.0.1:9", "token", ("one", "two"))


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("studio")
    parts = build(Settings(folder, f"sqlite:///{folder / 'studio.db'}", "https://studio.example", *WHERE))
    yield create_app(parts).openapi()
    parts.database.close()
    parts.queue.http._client.close()  # the official client has no way to close it


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, ways in described["paths"].items():
        for method, operation in ways.items():
            yield f"{method.upper()} {path}", operation


def resolved(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return described["components"]["schemas"][name] if name else schema


def examples(described: dict[str, Any], media: dict[str, Any]) -> list[Any]:
    """Return the examples of a body: its own, its schema's, or lists of those of its items."""
    if "example" in media:
        return [media["example"]]
    schema = resolved(described, media["schema"])
    if schema.get("type") == "array":
        return [resolved(described, schema["items"])["examples"]]
    return list(schema.get("examples", []))


def test_every_operation_answers_with_an_example_that_its_schema_allows(described: dict[str, Any]) -> None:
    checked = 0
    for name, operation in operations(described):
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        answers = [answer for status, answer in operation["responses"].items() if not status.startswith("3")]
        assert answers or operation["responses"], name
        for part in bodies + answers:
            for kind, media in part["content"].items():
                found = examples(described, media)
                assert found, f"{name}: no example of {kind} in {part}"
                for example in found:
                    root = media.get("schema", {}) | {"components": described["components"]}
                    Draft202012Validator(root).validate(example)
                    checked += 1
    assert checked > 40


def test_every_refusal_is_described_as_a_problem_document(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        refusals = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        for status, answer in refusals.items():
            assert set(answer["content"]) == {"application/problem+json"}, f"{name}: {status}"


def test_examples_of_parameters_and_headers_fit_too(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        headers = [
            header for answer in operation["responses"].values() for header in answer.get("headers", {}).values()
        ]
        for one in operation.get("parameters", []) + headers:
            for example in [*one["schema"].get("examples", []), *([one["example"]] if "example" in one else [])]:
                assert Draft202012Validator(one["schema"]).is_valid(example), f"{name}: {one}"
