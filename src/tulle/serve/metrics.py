"""The metrics that every component reports, and their text form."""

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, generate_latest

GRPC_LABELS = ("grpc_service", "grpc_method", "grpc_type")

grpc_started = Counter("grpc_server_started_total", "RPCs begun on the server.", GRPC_LABELS)
grpc_handled = Counter(
    "grpc_server_handled_total", "RPCs ended, by status code.", (*GRPC_LABELS, "grpc_code")
)
grpc_received = Counter(
    "grpc_server_msg_received_total", "Messages received from clients.", GRPC_LABELS
)
grpc_sent = Counter("grpc_server_msg_sent_total", "Messages sent to clients.", GRPC_LABELS)


def exposition() -> tuple[str, bytes]:
    """The content type and text of everything in the process's registry."""
    return CONTENT_TYPE_LATEST, generate_latest(REGISTRY)
