"""Tulle, a service mesh: its control plane, its command line and its local cluster."""
