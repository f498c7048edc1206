"""Workflows in the official Python SDK, served by FastAPI and Flask; run as `python python_workflows.py {fastapi,flask} PORT`."""

import os
import sys
from collections import Counter
from typing import Any

from qstash import AsyncQStash, QStash

COUNTS: Counter[str] = Counter()
PORT = int(sys.argv[2])
BASE = f"http://127.0.0.1:{PORT}"


def fastapi_app() -> Any:
    from fastapi import FastAPI, Request
    from upstash_workflow import AsyncWorkflowContext
    from upstash_workflow.fastapi import Serve

    app = FastAPI()
    serve = Serve(app)
    options: dict[str, Any] = {
        "qstash_client": AsyncQStash(os.environ["QSTASH_TOKEN"], base_url=os.environ["QSTASH_URL"])
    }

    @app.middleware("http")
    async def count(request: Request, call_next: Any) -> Any:
        COUNTS[request.url.path] += 1
        return await call_next(request)

    @app.get("/counts")
    async def counts() -> dict[str, int]:
        return dict(COUNTS)

    @app.post("/vendor")
    async def vendor(request: Request) -> dict[str, Any]:
        return {"got": await request.json()}

    @serve.post("/three", **options)
    async def three(context: AsyncWorkflowContext[Any]) -> None:
        async def one() -> int:
            return 1

        a = await context.run("a", one)
        await context.sleep("nap", 1)

        async def told() -> dict[str, Any]:
            return {"a": a, "payload": context.request_payload}

        await context.run("b", told)

    @serve.post("/call", **options)
    async def call(context: AsyncWorkflowContext[Any]) -> None:
        answer = await context.call("vendor", url=f"{BASE}/vendor", method="POST", body={"ü": 1})

        async def keep() -> Any:
            return [answer.status, answer.body]

        await context.run("keep", keep)

    async def failed(_: Any, status: int, response: str, __: Any) -> None:
        COUNTS[f"failed {status} {response}"] += 1

    @serve.post("/fails", retries=0, failure_function=failed, **options)
    async def fails(context: AsyncWorkflowContext[Any]) -> None:
        async def boom() -> None:
            raise ValueError("bad thing")

        await context.run("boom", boom)

    return app


def flask_app() -> Any:
    from flask import Flask, jsonify, request
    from upstash_workflow import WorkflowContext
    from upstash_workflow.flask import Serve

    app = Flask(__name__)
    serve = Serve(app)
    options: dict[str, Any] = {"qstash_client": QStash(os.environ["QSTASH_TOKEN"], base_url=os.environ["QSTASH_URL"])}

    @app.before_request
    def count() -> None:
        COUNTS[request.path] += 1

    @app.get("/counts")
    def counts() -> Any:
        return jsonify(dict(COUNTS))

    @serve.route("/three", **options)
    def three(context: WorkflowContext[Any]) -> None:
        a = context.run("a", lambda: 1)
        context.sleep("nap", 1)
        context.run("b", lambda: {"a": a, "payload": context.request_payload})

    @app.post("/vendor")
    def vendor() -> Any:
        return jsonify({"got": request.get_json()})

    @serve.route("/call", **options)
    def call(context: WorkflowContext[Any]) -> None:
        answer = context.call("vendor", url=f"{BASE}/vendor", method="POST", body={"ü": 1})
        context.run("keep", lambda: [answer.status, answer.body])

    def failed(_: Any, status: int, response: str, __: Any) -> None:
        COUNTS[f"failed {status} {response}"] += 1

    @serve.route("/fails", retries=0, failure_function=failed, **options)
    def fails(context: WorkflowContext[Any]) -> None:
        def boom() -> None:
            raise ValueError("bad thing")

        context.run("boom", boom)

    return app


if __name__ == "__main__":
    if sys.argv[1] == "fastapi":
        import uvicorn

        uvicorn.run(fastapi_app(), host="127.0.0.1", port=PORT, log_level="error")
    else:
        flask_app().run("127.0.0.1", PORT, threaded=True)
