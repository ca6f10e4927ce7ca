"""What stands in a cluster so that it has a mesh: the manifests, their certificates, and the checks of them."""
