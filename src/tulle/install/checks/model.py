"""What a check is, and what comes of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from tulle.install.checks.facts import Facts

HINTS = "https://tulle.dev/checks/#"


class Level(Enum):
    """What a failure means for the rest."""

    FATAL = "fatal"  # the checks after it would only repeat it
    ERROR = "error"
    WARNING = "warning"


class Result(Enum):
    SUCCESS = "success"
    WARNING = "warning"
    ERROR = "error"


class Failed(Exception):
    """A check's finding, as a sentence."""


class Skipped(Exception):
    """The check does not apply to this cluster; it is not printed."""


@dataclass(frozen=True, slots=True)
class Check:
    """`judge` raises Failed or Skipped. A retried one gets new facts until --wait is over."""

    anchor: str
    text: str
    judge: Callable[[Facts], None]
    level: Level = Level.ERROR
    is_retried: bool = False

    @property
    def hint(self) -> str:
        return f"{HINTS}{self.anchor}"


@dataclass(frozen=True, slots=True)
class Category:
    name: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One judged check."""

    text: str
    result: Result
    error: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """The judged checks of one category."""

    name: str
    lines: tuple[Line, ...]
    is_fatal: bool = False

    @property
    def is_success(self) -> bool:
        return all(line.result is not Result.ERROR for line in self.lines)
