"""`tulle viz upgrade`, which stands with the install whose values it reads."""

from tulle.cli.viz_install import upgrade as command

__all__ = ["command"]
