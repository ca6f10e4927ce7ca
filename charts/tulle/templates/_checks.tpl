{{- /* Written by `make charts` from src/tulle/install; change it there. */ -}}
{{- define "tulle.empty" -}}
{
  "clusterDomain": "",
  "clusterNetworks": "",
  "imagePullPolicy": "",
  "imagePullSecrets": [],
  "controllerLogLevel": "",
  "controllerLogFormat": "",
  "controllerReplicas": 0,
  "controllerUID": 0,
  "controllerGID": 0,
  "controllerImage": "",
  "controllerImageVersion": "",
  "highAvailability": false,
  "enablePodAntiAffinity": false,
  "enablePodDisruptionBudget": false,
  "enableH2Upgrade": false,
  "enableEndpointSlices": false,
  "cniEnabled": false,
  "disableIPv6": false,
  "linkerdVersion": "",
  "identityTrustAnchorsPEM": "",
  "identityTrustDomain": "",
  "identity": {
    "externalCA": false,
    "issuer": {
      "scheme": "",
      "clockSkewAllowance": "",
      "issuanceLifetime": "",
      "tls": {
        "crtPEM": "",
        "keyPEM": ""
      }
    },
    "kubeAPI": {
      "clientQPS": 0,
      "clientBurst": 0
    }
  },
  "commonLabels": {},
  "podAnnotations": {},
  "podLabels": {},
  "priorityClassName": "",
  "runtimeClassName": "",
  "nodeSelector": {},
  "tolerations": [],
  "nodeAffinity": {},
  "deploymentStrategy": {},
  "revisionHistoryLimit": 0,
  "controller": {
    "podDisruptionBudget": {
      "maxUnavailable": 0
    }
  },
  "identityResources": {},
  "destinationResources": {},
  "proxyInjectorResources": {},
  "policyController": {
    "probeNetworks": [],
    "additionalArgs": []
  },
  "proxy": {
    "image": {
      "name": "",
      "version": "",
      "pullPolicy": ""
    },
    "enableExternalProfiles": false,
    "outboundConnectTimeout": "",
    "inboundConnectTimeout": "",
    "outboundDiscoveryCacheUnusedTimeout": "",
    "inboundDiscoveryCacheUnusedTimeout": "",
    "disableOutboundProtocolDetectTimeout": false,
    "disableInboundProtocolDetectTimeout": false,
    "enableShutdownEndpoint": false,
    "logLevel": "",
    "logFormat": "",
    "logHTTPHeaders": "",
    "accessLog": "",
    "ports": {
      "admin": 0,
      "control": 0,
      "inbound": 0,
      "outbound": 0
    },
    "runtime": {
      "workers": {
        "minimum": 0,
        "maximum": "",
        "maximumCPURatio": ""
      }
    },
    "resources": {
      "cpu": {
        "request": "",
        "limit": ""
      },
      "memory": {
        "request": "",
        "limit": ""
      },
      "ephemeral-storage": {
        "request": "",
        "limit": ""
      }
    },
    "uid": 0,
    "gid": 0,
    "waitBeforeExitSeconds": 0,
    "await": false,
    "requireIdentityOnInboundPorts": "",
    "requireTLSOnInboundPorts": "",
    "opaquePorts": "",
    "shutdownGracePeriod": "",
    "defaultInboundPolicy": "",
    "outboundTransportMode": "",
    "nativeSidecar": false,
    "livenessProbe": {
      "initialDelaySeconds": 0,
      "timeoutSeconds": 0
    },
    "readinessProbe": {
      "initialDelaySeconds": 0,
      "periodSeconds": 0
    },
    "control": {
      "streams": {
        "initialTimeout": "",
        "idleTimeout": "",
        "lifetime": ""
      }
    },
    "inbound": {
      "server": {
        "http2": {
          "keepAliveInterval": "",
          "keepAliveTimeout": ""
        }
      }
    },
    "outbound": {
      "server": {
        "http2": {
          "keepAliveInterval": "",
          "keepAliveTimeout": ""
        }
      }
    },
    "metrics": {
      "hostnameLabels": false,
      "maxSeries": null,
      "dropLabels": []
    },
    "tracing": {
      "enabled": false,
      "traceServiceName": "",
      "protocol": "",
      "labels": {},
      "collector": {
        "endpoint": "",
        "meshIdentity": {
          "serviceAccountName": "",
          "namespace": ""
        }
      }
    },
    "additionalEnv": []
  },
  "proxyInit": {
    "iptablesMode": "",
    "ignoreInboundPorts": "",
    "ignoreOutboundPorts": "",
    "kubeAPIServerPorts": "",
    "skipSubnets": "",
    "logLevel": "",
    "logFormat": "",
    "closeWaitTimeoutSecs": 0,
    "privileged": false,
    "xtMountPath": {
      "mountPath": ""
    }
  },
  "debugContainer": {
    "image": {
      "name": "",
      "version": "",
      "pullPolicy": ""
    }
  },
  "webhookFailurePolicy": "",
  "proxyInjector": {
    "crtPEM": "",
    "keyPEM": "",
    "caBundle": "",
    "externalSecret": false,
    "injectCaFrom": "",
    "timeoutSeconds": 0
  },
  "policyValidator": {
    "crtPEM": "",
    "keyPEM": "",
    "caBundle": "",
    "externalSecret": false,
    "injectCaFrom": "",
    "timeoutSeconds": 0
  },
  "prometheusUrl": "",
  "egress": {
    "globalEgressNetworkNamespace": ""
  }
}
{{- end }}
{{- define "tulle.checked" }}
{{- $values := . }}
{{- if not (regexMatch "^(?:\\d+(?:\\.\\d+)?(?:ns|us|\u00b5s|ms|s|m|h|d))+$" (toString $values.identity.issuer.clockSkewAllowance)) }}
{{- fail (printf "identity.issuer.clockSkewAllowance is %q, which is not a duration such as 300ms, 20s or 24h0m0s" (toString $values.identity.issuer.clockSkewAllowance)) }}
{{- end }}
{{- if not (regexMatch "^(?:\\d+(?:\\.\\d+)?(?:ns|us|\u00b5s|ms|s|m|h|d))+$" (toString $values.identity.issuer.issuanceLifetime)) }}
{{- fail (printf "identity.issuer.issuanceLifetime is %q, which is not a duration such as 300ms, 20s or 24h0m0s" (toString $values.identity.issuer.issuanceLifetime)) }}
{{- end }}
{{- if not (regexMatch "^(?:\\d+(?:\\.\\d+)?(?:ns|us|\u00b5s|ms|s|m|h|d))+$" (toString $values.proxy.outboundConnectTimeout)) }}
{{- fail (printf "proxy.outboundConnectTimeout is %q, which is not a duration such as 300ms, 20s or 24h0m0s" (toString $values.proxy.outboundConnectTimeout)) }}
{{- end }}
{{- if not (regexMatch "^(?:\\d+(?:\\.\\d+)?(?:ns|us|\u00b5s|ms|s|m|h|d))+$" (toString $values.proxy.inboundConnectTimeout)) }}
{{- fail (printf "proxy.inboundConnectTimeout is %q, which is not a duration such as 300ms, 20s or 24h0m0s" (toString $values.proxy.inboundConnectTimeout)) }}
{{- end }}
{{- if not (regexMatch "^(?:\\d+(?:\\.\\d+)?(?:ns|us|\u00b5s|ms|s|m|h|d))+$" (toString $values.proxy.outboundDiscoveryCacheUnusedTimeout)) }}
{{- fail (printf "proxy.outboundDiscoveryCacheUnusedTimeout is %q, which is not a duration such as 300ms, 20s or 24h0m0s" (toString $values.proxy.outboundDiscoveryCacheUnusedTimeout)) }}
{{- end }}
{{- if not (regexMatch "^(?:\\d+(?:\\.\\d+)?(?:ns|us|\u00b5s|ms|s|m|h|d))+$" (toString $values.proxy.inboundDiscoveryCacheUnusedTimeout)) }}
{{- fail (printf "proxy.inboundDiscoveryCacheUnusedTimeout is %q, which is not a duration such as 300ms, 20s or 24h0m0s" (toString $values.proxy.inboundDiscoveryCacheUnusedTimeout)) }}
{{- end }}
{{- if not (regexMatch "^\\s*([0-9]{1,5}(-[0-9]{1,5})?\\s*(,\\s*[0-9]{1,5}(-[0-9]{1,5})?\\s*)*)?$" (toString $values.proxy.opaquePorts)) }}
{{- fail (printf "proxy.opaquePorts is %q, which is not ports and ranges such as 25,8000-8010" (toString $values.proxy.opaquePorts)) }}
{{- end }}
{{- if not (regexMatch "^\\s*([0-9]{1,5}(-[0-9]{1,5})?\\s*(,\\s*[0-9]{1,5}(-[0-9]{1,5})?\\s*)*)?$" (toString $values.proxy.requireIdentityOnInboundPorts)) }}
{{- fail (printf "proxy.requireIdentityOnInboundPorts is %q, which is not ports and ranges such as 25,8000-8010" (toString $values.proxy.requireIdentityOnInboundPorts)) }}
{{- end }}
{{- if not (regexMatch "^\\s*([0-9]{1,5}(-[0-9]{1,5})?\\s*(,\\s*[0-9]{1,5}(-[0-9]{1,5})?\\s*)*)?$" (toString $values.proxyInit.ignoreInboundPorts)) }}
{{- fail (printf "proxyInit.ignoreInboundPorts is %q, which is not ports and ranges such as 25,8000-8010" (toString $values.proxyInit.ignoreInboundPorts)) }}
{{- end }}
{{- if not (regexMatch "^\\s*([0-9]{1,5}(-[0-9]{1,5})?\\s*(,\\s*[0-9]{1,5}(-[0-9]{1,5})?\\s*)*)?$" (toString $values.proxyInit.ignoreOutboundPorts)) }}
{{- fail (printf "proxyInit.ignoreOutboundPorts is %q, which is not ports and ranges such as 25,8000-8010" (toString $values.proxyInit.ignoreOutboundPorts)) }}
{{- end }}
{{- if not (regexMatch "^\\s*([0-9]{1,5}(-[0-9]{1,5})?\\s*(,\\s*[0-9]{1,5}(-[0-9]{1,5})?\\s*)*)?$" (toString $values.proxyInit.kubeAPIServerPorts)) }}
{{- fail (printf "proxyInit.kubeAPIServerPorts is %q, which is not ports and ranges such as 25,8000-8010" (toString $values.proxyInit.kubeAPIServerPorts)) }}
{{- end }}
{{- if not (regexMatch "^\\s*([0-9a-fA-F.:]+(/[0-9]{1,3})?\\s*(,\\s*[0-9a-fA-F.:]+(/[0-9]{1,3})?\\s*)*)?$" (toString $values.clusterNetworks)) }}
{{- fail (printf "clusterNetworks is %q, which is not networks such as 10.0.0.0/8,fd00::/8" (toString $values.clusterNetworks)) }}
{{- end }}
{{- if not (regexMatch "^\\s*([0-9a-fA-F.:]+(/[0-9]{1,3})?\\s*(,\\s*[0-9a-fA-F.:]+(/[0-9]{1,3})?\\s*)*)?$" (toString $values.proxyInit.skipSubnets)) }}
{{- fail (printf "proxyInit.skipSubnets is %q, which is not networks such as 10.0.0.0/8,fd00::/8" (toString $values.proxyInit.skipSubnets)) }}
{{- end }}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$" (toString $values.clusterDomain)) }}
{{- fail (printf "clusterDomain is %q, which is not a lower-case DNS name" (toString $values.clusterDomain)) }}
{{- end }}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$" (toString $values.identityTrustDomain)) }}
{{- fail (printf "identityTrustDomain is %q, which is not a lower-case DNS name" (toString $values.identityTrustDomain)) }}
{{- end }}
{{- if not (regexMatch "^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}$" (toString $values.controllerImageVersion)) }}
{{- fail (printf "controllerImageVersion is %q, which is not a version tag such as 0.1.0" (toString $values.controllerImageVersion)) }}
{{- end }}
{{- if not (regexMatch "^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}$" (toString $values.linkerdVersion)) }}
{{- fail (printf "linkerdVersion is %q, which is not a version tag such as 0.1.0" (toString $values.linkerdVersion)) }}
{{- end }}
{{- if not (regexMatch "^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}$" (toString $values.proxy.image.version)) }}
{{- fail (printf "proxy.image.version is %q, which is not a version tag such as 0.1.0" (toString $values.proxy.image.version)) }}
{{- end }}
{{- if not (regexMatch "^$|^(\\d+(?:\\.\\d*)?|\\.\\d+)([numkKMGTPE]|[KMGTPE]i|[eE][+-]?\\d+)?$" (toString $values.proxy.resources.cpu.request)) }}
{{- fail (printf "proxy.resources.cpu.request is %q, which is not a quantity such as 100m or 64Mi" (toString $values.proxy.resources.cpu.request)) }}
{{- end }}
{{- if not (regexMatch "^$|^(\\d+(?:\\.\\d*)?|\\.\\d+)([numkKMGTPE]|[KMGTPE]i|[eE][+-]?\\d+)?$" (toString $values.proxy.resources.cpu.limit)) }}
{{- fail (printf "proxy.resources.cpu.limit is %q, which is not a quantity such as 100m or 64Mi" (toString $values.proxy.resources.cpu.limit)) }}
{{- end }}
{{- if not (regexMatch "^$|^(\\d+(?:\\.\\d*)?|\\.\\d+)([numkKMGTPE]|[KMGTPE]i|[eE][+-]?\\d+)?$" (toString $values.proxy.resources.memory.request)) }}
{{- fail (printf "proxy.resources.memory.request is %q, which is not a quantity such as 100m or 64Mi" (toString $values.proxy.resources.memory.request)) }}
{{- end }}
{{- if not (regexMatch "^$|^(\\d+(?:\\.\\d*)?|\\.\\d+)([numkKMGTPE]|[KMGTPE]i|[eE][+-]?\\d+)?$" (toString $values.proxy.resources.memory.limit)) }}
{{- fail (printf "proxy.resources.memory.limit is %q, which is not a quantity such as 100m or 64Mi" (toString $values.proxy.resources.memory.limit)) }}
{{- end }}
{{- if not (regexMatch "^$|^(\\d+(?:\\.\\d*)?|\\.\\d+)([numkKMGTPE]|[KMGTPE]i|[eE][+-]?\\d+)?$" (toString (index $values.proxy.resources "ephemeral-storage").request)) }}
{{- fail (printf "proxy.resources.ephemeral-storage.request is %q, which is not a quantity such as 100m or 64Mi" (toString (index $values.proxy.resources "ephemeral-storage").request)) }}
{{- end }}
{{- if not (regexMatch "^$|^(\\d+(?:\\.\\d*)?|\\.\\d+)([numkKMGTPE]|[KMGTPE]i|[eE][+-]?\\d+)?$" (toString (index $values.proxy.resources "ephemeral-storage").limit)) }}
{{- fail (printf "proxy.resources.ephemeral-storage.limit is %q, which is not a quantity such as 100m or 64Mi" (toString (index $values.proxy.resources "ephemeral-storage").limit)) }}
{{- end }}
{{- if not (regexMatch "(?i)^\\s*((?:off|error|warn|info|debug|trace|[\\w:.\\-]+(?:\\[[^\\]]*\\])?(?:=(?:off|error|warn|info|debug|trace))?|\\[[^\\]]*\\](?:=(?:off|error|warn|info|debug|trace))?))\\s*(,\\s*((?:off|error|warn|info|debug|trace|[\\w:.\\-]+(?:\\[[^\\]]*\\])?(?:=(?:off|error|warn|info|debug|trace))?|\\[[^\\]]*\\](?:=(?:off|error|warn|info|debug|trace))?))\\s*)*$" (toString $values.proxy.logLevel)) }}
{{- fail (printf "proxy.logLevel is %q, which is not levels (off, error, warn, info, debug, trace) or target=level, separated by commas" (toString $values.proxy.logLevel)) }}
{{- end }}
{{- end }}
