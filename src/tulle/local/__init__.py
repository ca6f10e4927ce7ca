"""A real one-node Kubernetes on this machine, without Docker: a launcher of real components.

Only `tulle.cli` imports this room, and it imports nothing of ours but `names`.
"""
