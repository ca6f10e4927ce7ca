"""Judges the checks of a scope one by one; asks the cluster again while a retried one fails."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from tulle.install.checks.facts import Facts, Unknown
from tulle.install.checks.model import (
    Category,
    Check,
    Failed,
    Level,
    Line,
    Result,
    Section,
    Skipped,
)

Gather = Callable[[], Awaitable[Facts]]
Pending = Callable[[str | None], None]

RETRY_SECONDS = 1.0


async def judged(
    categories: tuple[Category, ...],
    gather: Gather,
    *,
    wait_seconds: float,
    pending: Pending = lambda _: None,
    retry_seconds: float = RETRY_SECONDS,
) -> AsyncIterator[Section]:
    """The sections in order; a fatal finding ends them. `pending` hears what is waited for."""
    deadline = time.monotonic() + wait_seconds
    facts = await gather()
    for category in categories:
        lines: list[Line] = []
        is_fatal = False
        for check in category.checks:
            line = _line(check, facts)
            while line is not None and _is_retried(check, line) and time.monotonic() < deadline:
                pending(line.error)
                await asyncio.sleep(retry_seconds)
                facts = await gather()
                line = _line(check, facts)
            pending(None)
            if line is None:
                continue
            lines.append(line)
            if line.result is Result.ERROR and check.level is Level.FATAL:
                is_fatal = True
                break
        if lines:
            yield Section(category.name, tuple(lines), is_fatal)
        if is_fatal:
            return


def _is_retried(check: Check, line: Line) -> bool:
    return check.is_retried and line.result is not Result.SUCCESS


def _line(check: Check, facts: Facts) -> Line | None:
    """None: the check does not apply."""
    try:
        check.judge(facts)
    except Skipped:
        return None
    except (Failed, Unknown) as error:
        result = Result.WARNING if check.level is Level.WARNING else Result.ERROR
        return Line(check.text, result, str(error), check.hint)
    return Line(check.text, Result.SUCCESS)
