"""An ASGI application that does what its path says."""

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

counted = {"ticks": 0}
orders = {}
held = []
kept = set()


async def tick():
    while True:
        counted["ticks"] += 1
        await asyncio.sleep(0.01)


async def answer(path, body):
    match path:
        case "/background":
            kept.add(asyncio.create_task(tick()))
        case "/thread":
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        case "/child":
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
        case "/ticks":
            return str(counted["ticks"])
        case "/slow":
            await asyncio.sleep(60)
        case "/memory":
            held.append(bytearray(os.urandom(1)) * 400_000_000)
            await asyncio.sleep(60)
        case "/crash":
            os._exit(3)
        case "/order":
            orders[len(orders)] = "shoes"
        case "/orders":
            return str(len(orders))
        case "/write":
            Path("written.txt").write_text("x")
        case "/write-and-remove":
            with tempfile.TemporaryDirectory() as folder:
                Path(folder, "inner").mkdir()
                Path(folder, "inner", "written.txt").write_text("x")
        case "/write-by-child":
            done = subprocess.run(
                ["/bin/sh", "-c", "echo x > written.txt"], capture_output=True, text=True, check=False
            )
            return str(done.returncode)
        case "/temp":
            Path(tempfile.gettempdir(), "written.txt").write_text("x")
        case "/large":
            return "x" * 5_000_000
        case "/pid":
            return str(os.getpid())
        case "/length":
            return str(len(body))
        case "/environment":
            return os.environ.get("VERCEL", "") + os.environ.get("VERCEL_URL", "") + os.environ.get("SHOP", "")
        case "/connect":
            if not kept:
                kept.add(await asyncio.open_connection("127.0.0.1", int(os.environ["PEER"])))
            [(_, writer)] = kept
            writer.write(b"hello")
            await writer.drain()
    return "ok"


async def stream(send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    while not Path(os.environ["GO"]).exists():
        await asyncio.sleep(0.01)
    await send({"type": "http.response.body", "body": b"second"})


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    if scope["path"] == "/stream":
        await stream(send)
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message.get("more_body")
    try:
        status, text = 200, await answer(scope["path"], body)
    except OSError as error:
        status, text = 500, error.strerror
    length = [(b"content-length", str(len(text)).encode())] if scope["path"] == "/large" else []
    await send({"type": "http.response.start", "status": status, "headers": length})
    await send({"type": "http.response.body", "body": text.encode()})
    if scope["path"] == "/after":
        await asyncio.sleep(1)


async def consumer(scope, receive, send):
    """The same with a loop that begins with the instance."""
    if scope["type"] == "lifespan":
        await receive()
        kept.add(asyncio.create_task(tick()))
        await send({"type": "lifespan.startup.complete"})
        await receive()
    else:
        await app(scope, receive, send)
