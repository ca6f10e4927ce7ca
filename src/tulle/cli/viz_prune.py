"""`tulle viz prune`, which stands with the install whose values it reads."""

from tulle.cli.viz_install import prune as command

__all__ = ["command"]
