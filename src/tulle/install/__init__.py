"""What stands in a cluster so that it has a mesh: manifests, certificates, and their checks."""
