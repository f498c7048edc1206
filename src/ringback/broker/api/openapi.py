"""The OpenAPI description of the API, made from the routes themselves."""

import re
from typing import Any

import msgspec

from ringback import __version__

_PARAMETER = re.compile(r"\{(\w+)(\*|\.\.\.)?\}")
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "What is wrong, and with which field."}},
}


def describe(routes: tuple[Any, ...]) -> dict[str, Any]:
    """Return the description of routes as an OpenAPI 3.1 document."""
    bodies = [route.body for route in routes if route.body is not None]
    schemas, components = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    schema_of = {str(body): schema for body, schema in zip(bodies, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if route.method != "ANY":
            path = _PARAMETER.sub(r"{\1}", route.path)
            paths.setdefault(path, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "ringback", "version": __version__, "description": "Compatible with QStash v2."},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {**components, "Error": _ERROR},
        },
    }


def _operation(route: Any, schema_of: dict[str, Any]) -> dict[str, Any]:
    summary = (route.respond.__doc__ or "").strip().splitlines()[0].replace("`", "")
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()} {route.path}").strip("_"),
        "summary": summary,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name, _ in _PARAMETER.findall(route.path)
        ],
        "responses": {
            "2XX": {"description": "Done.", "content": {"application/json": {}}},
            "302": {"description": "Done; the reference's status for this call."},
            "4XX": _refusal("Refused; the text names what is wrong."),
            "503": _refusal("The store cannot write at this moment."),
        },
    }
    if route.body is not None:
        content = {"application/json": {"schema": schema_of[str(route.body)]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _refusal(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
