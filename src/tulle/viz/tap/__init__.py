"""A live sample of requests: an API server of its own kind that asks the proxies of chosen pods."""
