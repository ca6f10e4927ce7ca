"""The dashboard: pages of live numbers, made on the server from what metrics-api answers."""
