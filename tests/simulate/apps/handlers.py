"""Lambda handlers."""

import base64
import json
import time

from ringback.workflow import Context
from ringback.workflow.adapters.aws_lambda import serve


def echo(event, context):
    about = {"event": event, "remaining": context.get_remaining_time_in_millis(), "name": context.function_name}
    return {"statusCode": 201, "headers": {"X-Kind": "echo"}, "cookies": ["a=1", "b=2"], "body": json.dumps(about)}


def picture(event, context):
    return {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(b"\x00\xff").decode()}


def wrong(event, context):
    return {"statusCode": "fine"}


def broken(event, context):
    raise ValueError("no such order")


def slow(event, context):
    time.sleep(60)


async def welcome(context: Context[str]) -> str:
    name = await context.run("name", context.request_payload.upper)
    await context.sleep("wait", 1)
    return await context.run("greet", lambda: f"hello {name}")


workflow = serve(welcome)
