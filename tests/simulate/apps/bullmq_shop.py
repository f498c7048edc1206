"""The shop of the story: orders go into a BullMQ queue, and a worker of the same application is to make the videos."""

import asyncio
import os
from contextlib import asynccontextmanager

from bullmq import Queue, Worker
from fastapi import FastAPI

REDIS = {"connection": os.environ["REDIS_URL"]}


async def make_video(job, token):
    await asyncio.sleep(float(os.environ.get("VIDEO_SECONDS", "40")))
    return f"video of {job.data['order']}"


@asynccontextmanager
async def lifespan(app):
    app.state.queue = Queue("videos", REDIS)
    app.state.worker = Worker("videos", make_video, REDIS)
    yield
    await app.state.worker.close()
    await app.state.queue.close()


app = FastAPI(lifespan=lifespan)


@app.post("/orders/{order}", status_code=202)
async def order(order: str):
    job = await app.state.queue.add("make", {"order": order})
    return {"jobId": job.id}
