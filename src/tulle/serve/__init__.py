"""How any component listens, reports and stops."""
