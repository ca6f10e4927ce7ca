"""Get and GetProfile: where a name or an address leads, and what is known of each endpoint."""
