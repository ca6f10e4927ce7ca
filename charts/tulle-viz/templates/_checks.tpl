{{- /* Written by `make charts` from src/tulle/install; change it there. */ -}}
{{- define "tulle-viz.empty" -}}
{
  "linkerdNamespace": "",
  "clusterDomain": "",
  "identityTrustDomain": "",
  "imagePullPolicy": "",
  "imagePullSecrets": [],
  "controllerImage": "",
  "controllerImageVersion": "",
  "defaultUID": 0,
  "defaultGID": 0,
  "defaultLogLevel": "",
  "defaultLogFormat": "",
  "commonLabels": {},
  "podAnnotations": {},
  "podLabels": {},
  "priorityClassName": "",
  "nodeSelector": {},
  "tolerations": [],
  "revisionHistoryLimit": 0,
  "prometheusUrl": "",
  "metricsAPI": {
    "replicas": 0,
    "resources": {}
  },
  "tap": {
    "replicas": 0,
    "resources": {},
    "ignoreHeaders": []
  },
  "tapInjector": {
    "replicas": 0,
    "resources": {}
  },
  "dashboard": {
    "replicas": 0,
    "resources": {},
    "enforcedHostRegexp": "",
    "restrictPrivileges": false,
    "history": {
      "maxSeries": 0,
      "maxMebibytes": 0
    }
  },
  "prometheus": {
    "enabled": false,
    "image": {
      "name": "",
      "version": ""
    },
    "logLevel": "",
    "scrapeInterval": "",
    "retention": "",
    "retentionSize": "",
    "volumeSize": "",
    "resources": {},
    "scrapeConfigs": [],
    "metricRelabelConfigs": [],
    "remoteWrite": []
  }
}
{{- end }}
{{- define "tulle-viz.checked" }}
{{- $values := . }}
{{- if not (regexMatch "^(?:\\d+(?:\\.\\d+)?(?:ns|us|\u00b5s|ms|s|m|h|d))+$" (toString $values.prometheus.scrapeInterval)) }}
{{- fail (printf "prometheus.scrapeInterval is %q, which is not a duration such as 10s or 6h" (toString $values.prometheus.scrapeInterval)) }}
{{- end }}
{{- if not (regexMatch "^(?:\\d+(?:\\.\\d+)?(?:ns|us|\u00b5s|ms|s|m|h|d))+$" (toString $values.prometheus.retention)) }}
{{- fail (printf "prometheus.retention is %q, which is not a duration such as 10s or 6h" (toString $values.prometheus.retention)) }}
{{- end }}
{{- range $values.tap.ignoreHeaders }}
{{- if not (regexMatch "^:?[!#$%&'*+.^_`|~0-9A-Za-z-]+$" (toString .)) }}
{{- fail (printf "tap.ignoreHeaders holds %q, which is not the name of a header" (toString .)) }}
{{- end }}
{{- end }}
{{- end }}
