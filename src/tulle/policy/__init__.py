"""Who may reach a port, and how requests to a Service are routed."""
