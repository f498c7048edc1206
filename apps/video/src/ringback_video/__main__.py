"""Run the command line: `python -m ringback_video`."""

from ringback_video.cli import main

main()
