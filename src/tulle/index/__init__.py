"""One watched index of the cluster, used by destination and policy."""
