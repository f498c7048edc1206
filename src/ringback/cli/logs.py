"""How the broker's log is written: lines for people, or a JSON object a line for programs."""

import json
import logging
import sys
from datetime import UTC, datetime

from ringback.cli.output import plain

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(level: str, form: str) -> None:
    """Write the log of `ringback` to standard error.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        form: `text` or `json`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logger = logging.getLogger("ringback")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


class JsonLines(logging.Formatter):
    """A JSON object a line: time, level, logger, message, and whatever fields the line was given."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        told = {"time": _time(record), "level": record.levelname.lower(), "logger": record.name, **_fields(record)}
        told["message"] = record.getMessage()
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str, ensure_ascii=False)


class TextLines(logging.Formatter):
    """Time, level, message, and the fields behind it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and the traceback of an error below it."""
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items() if name != "action")
        line = plain(f"{_time(record)} {record.levelname:<7} {record.getMessage()} {fields}".rstrip(), kept="\t")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _OWN}
