"""Video Studio on Vercel: what Vercel looks for is `app`."""

from pathlib import Path

from ringback_video.serverless import create_serverless_app

app = create_serverless_app(previews=Path(__file__).parent / "previews")
