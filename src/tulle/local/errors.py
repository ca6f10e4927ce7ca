"""What can go wrong on the way to a local cluster; each message names cause and remedy."""


class LocalError(Exception):
    """The local cluster cannot do what was asked; the message is for the person at the terminal."""


class BuildFailed(LocalError):
    """A binary could be neither downloaded nor built."""


class NotRunning(LocalError):
    """The command needs a running cluster of that name."""


class StartTimeout(LocalError):
    """A component did not become ready in time; the message says which log to read."""
