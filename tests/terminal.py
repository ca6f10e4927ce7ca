"""A program on a real pseudo-terminal, and what its screen shows."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable
from types import TracebackType

import pyte


class Terminal:
    """Runs a command on a terminal of its own; its screen is that of a VT100 emulator."""

    def __init__(
        self, command: list[str], environment: dict[str, str], columns: int = 80, lines: int = 24
    ) -> None:
        self.screen = pyte.HistoryScreen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, {**environment, "TERM": "xterm-256color"})
        self._size(columns, lines)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ChildProcessError, ProcessLookupError):
            pass
        os.close(self._master)

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        self.screen.resize(lines, columns)
        self._size(columns, lines)

    def _size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    def until(self, holds: Callable[[list[str]], bool], seconds: float = 60) -> list[str]:
        """Feeds the screen until it shows what is waited for."""
        deadline = time.monotonic() + seconds
        while not holds(self.lines()):
            left = deadline - time.monotonic()
            if left <= 0 or not self._feed(left):
                raise AssertionError("the screen never showed it:\n" + "\n".join(self.lines()))
        return self.lines()

    def _feed(self, seconds: float) -> bool:
        """False at the end of the program's output."""
        if not select.select([self._master], [], [], min(seconds, 1))[0]:
            return True
        try:
            self._stream.feed(os.read(self._master, 65536))
        except OSError:  # Linux tells so that the other side is closed
            return False
        return True

    def end(self, seconds: float = 60) -> int:
        """The exit code, once the program has ended."""
        deadline = time.monotonic() + seconds
        while self._feed(1):
            if time.monotonic() > deadline:
                raise AssertionError("it does not end:\n" + "\n".join(self.lines()))
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)
