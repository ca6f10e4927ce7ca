"""The control plane's discovery: one process that answers Destination and policy over one index.

RBAC, all of it cluster-wide and all of it `get, list, watch`:

- "" (core): namespaces, nodes, pods, services
- discovery.k8s.io: endpointslices
- linkerd.io: serviceprofiles
- policy.linkerd.io: servers, serverauthorizations, authorizationpolicies, meshtlsauthentications,
  networkauthentications, httproutes, httplocalratelimitpolicies, egressnetworks
- gateway.networking.k8s.io: httproutes, grpcroutes, tlsroutes, tcproutes
- split.smi-spec.io: trafficsplits
- workload.linkerd.io: externalworkloads
"""
