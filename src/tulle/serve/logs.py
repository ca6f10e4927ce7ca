"""Log lines: one event each, a constant text plus fields, as `time=… level=… msg=…` or as JSON."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "panic": logging.CRITICAL,
}
FORMATS = ("plain", "json")


def level_name(level: int) -> str:
    return "warning" if level == logging.WARNING else logging.getLevelName(level).lower()


def quoted(value: object) -> str:
    """A field's value; with quotes when it holds blanks, quotes, equal signs or nothing."""
    text = str(value)
    if text and all(char.isprintable() and char not in ' "=' for char in text):
        return text
    return json.dumps(text, ensure_ascii=False)


def event_fields(record: logging.LogRecord) -> dict[str, object]:
    """What a line says, in order: time, level, text, then the event's own fields."""
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    fields: dict[str, object] = {
        "time": time.replace("+00:00", "Z"),
        "level": level_name(record.levelno),
        "msg": record.getMessage(),
    }
    fields.update(getattr(record, "fields", {}))
    return fields


class PlainFormatter(logging.Formatter):
    """`time="…" level=info msg="…" key=value`, a trace indented below."""

    def format(self, record: logging.LogRecord) -> str:
        fields = event_fields(record)
        head = f'time="{fields.pop("time")}" level={fields.pop("level")}'
        text = json.dumps(fields.pop("msg"), ensure_ascii=False)
        rest = "".join(f" {key}={quoted(value)}" for key, value in fields.items())
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return f"{head} msg={text}{rest}{trace}"


class JsonFormatter(logging.Formatter):
    """The same fields as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        fields = event_fields(record)
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False, default=str)


def configure(level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Send every logger's lines to `stream` (stderr). The libraries' own speak from warn on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else PlainFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(LEVELS[level], logging.WARNING))
    logging.getLogger("tulle").setLevel(LEVELS[level])


class Log:
    """One room's log. Texts are constant; what varies goes into fields."""

    def __init__(self, room: str) -> None:
        self._logger = logging.getLogger(f"tulle.{room}")

    def _write(self, level: int, text: str, fields: dict[str, object], trace: bool = False) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", text, extra={"fields": fields}, exc_info=trace)

    def debug(self, text: str, **fields: object) -> None:
        self._write(logging.DEBUG, text, fields)

    def info(self, text: str, **fields: object) -> None:
        self._write(logging.INFO, text, fields)

    def warn(self, text: str, **fields: object) -> None:
        self._write(logging.WARNING, text, fields)

    def error(self, text: str, **fields: object) -> None:
        self._write(logging.ERROR, text, fields)

    def exception(self, text: str, **fields: object) -> None:
        """An error with the trace of the exception being handled."""
        self._write(logging.ERROR, text, fields, trace=True)
