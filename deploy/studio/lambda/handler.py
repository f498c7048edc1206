"""Video Studio on AWS Lambda, behind a function URL: the handler is `handler.handler`."""

from pathlib import Path

from mangum import Mangum

from ringback_video.serverless import create_serverless_app

# Lambda gathers an answer before it sends it: an event stream ends after its first event, and browsers ask again
handler = Mangum(create_serverless_app(previews=Path(__file__).parent / "previews", stream_s=0), lifespan="off")
