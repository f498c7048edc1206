"""The command line: `video-studio serve` and `video-studio demo`."""

import argparse
import sys

from ringback_video import demo


def main() -> None:
    """Run the `video-studio` command."""
    parser = argparse.ArgumentParser(prog="video-studio", description="Shop photos in, a finished video out.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser(
        "serve", help="run Studio; everything else comes from the environment, see .env.example"
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, default=8000, help="port to listen on (8000)")
    show = commands.add_parser("demo", help="start a broker and Studio, and make a sample video")
    show.add_argument("--keep", action="store_true", help="stay up until Ctrl-C")
    show.add_argument("--data", default="data", help="folder for everything that is kept (data)")
    show.add_argument("--template", default="showcase", help="template of the sample (showcase)")
    options = parser.parse_args()
    if options.command == "serve":
        _serve(options.host, options.port)
    else:
        sys.exit(demo.run(options.data, options.template, keep=options.keep))


def _serve(host: str, port: int) -> None:
    import uvicorn

    from ringback_video.app import create_app

    try:
        app = create_app()
    except ValueError as error:
        sys.exit(f"video-studio: {error}")
    uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=5)
