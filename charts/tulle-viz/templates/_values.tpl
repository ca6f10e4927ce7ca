{{/*
The values with each empty one that the control plane or this chart decides filled in, as JSON.
*/}}
{{- define "tulle-viz.values" -}}
{{- $values := include "tulle-viz.typed" (list (include "tulle-viz.empty" $ | fromJson) .Values) | fromJson }}
{{- include "tulle-viz.checked" $values }}
{{- $control := include "tulle-viz.control" (list $values.linkerdNamespace) | fromJson }}
{{- $domain := $values.clusterDomain | default $control.clusterDomain | default "cluster.local" }}
{{- $_ := set $values "clusterDomain" $domain }}
{{- $_ := set $values "identityTrustDomain" ($values.identityTrustDomain | default $control.identityTrustDomain | default $domain) }}
{{- $_ := set $values "controllerImageVersion" ($values.controllerImageVersion | default .Chart.AppVersion) }}
{{- $_ := set $values.prometheus.image "version" ($values.prometheus.image.version | default .Chart.AppVersion) }}
{{- if not (or $values.prometheus.enabled $values.prometheusUrl) }}
{{- fail "prometheus.enabled=false needs prometheusUrl, the address of another one" }}
{{- end }}
{{- toJson $values }}
{{- end }}

{{/*
Given (list EMPTY GIVEN): the given values, each of the kind that the empty ones say. A number stands for its
text, one text for a list of it; what is missing is empty.
*/}}
{{- define "tulle-viz.typed" -}}
{{- $given := index . 1 }}
{{- $found := dict }}
{{- range $key, $empty := index . 0 }}
{{- $value := index $given $key }}
{{- if kindIs "invalid" $value }}
{{- $value = $empty }}
{{- else if and (kindIs "map" $empty) $empty }}
{{- $value = include "tulle-viz.typed" (list $empty $value) | fromJson }}
{{- else if and (kindIs "string" $empty) (not (kindIs "string" $value)) }}
{{- $value = toJson $value }}
{{- else if and (kindIs "slice" $empty) (kindIs "string" $value) }}
{{- $value = list $value }}
{{- end }}
{{- $_ := set $found $key $value }}
{{- end }}
{{- toJson $found }}
{{- end }}

{{/*
Given (list NAMESPACE): the values of the control plane there. Nothing without a cluster, as in `helm template`.
*/}}
{{- define "tulle-viz.control" -}}
{{- $namespace := index . 0 }}
{{- $found := dict }}
{{- if lookup "v1" "Namespace" "" "kube-system" }}
{{- $config := lookup "v1" "ConfigMap" $namespace "tulle-config" }}
{{- if not $config }}
{{- fail (printf "the namespace %s has no ConfigMap tulle-config, so no control plane is installed there; install one first (helm install tulle), or name its namespace in linkerdNamespace" $namespace) }}
{{- end }}
{{- $found = fromYaml $config.data.values }}
{{- end }}
{{- toJson $found }}
{{- end }}

{{/*
Given (list ROOT SECRET SERVICE VERSION KIND NAME): what the Service serves, in base64. The Secret's certificate is
kept, with all that the object NAME tells the API server to trust; without a Secret there is a new one.
*/}}
{{- define "tulle-viz.serving" -}}
{{- $namespace := (index . 0).Release.Namespace }}
{{- $stored := (lookup "v1" "Secret" $namespace (index . 1)).data | default dict }}
{{- $certificate := index $stored "tls.crt" }}
{{- $key := index $stored "tls.key" }}
{{- $bundle := $certificate }}
{{- if and $certificate $key }}
{{- $trusting := lookup (index . 3) (index . 4) "" (index . 5) }}
{{- $trusted := dig "spec" "caBundle" "" $trusting }}
{{- range $hook := $trusting.webhooks }}
{{- $trusted = $hook.clientConfig.caBundle | default "" }}
{{- end }}
{{- if contains (b64dec $certificate) (b64dec $trusted) }}
{{- $bundle = $trusted }}
{{- else }}
{{- $bundle = print (b64dec $trusted) (b64dec $certificate) | b64enc }}
{{- end }}
{{- else }}
{{- $host := printf "%s.%s.svc" (index . 2) $namespace }}
{{- $made := genSelfSignedCertWithKey $host nil (list $host) 365 (genPrivateKey "ecdsa") }}
{{- $certificate = b64enc $made.Cert }}
{{- $key = b64enc $made.Key }}
{{- $bundle = $certificate }}
{{- end }}
{{- dict "certificate" $certificate "key" $key "bundle" $bundle | toJson }}
{{- end }}

{{/*
What Prometheus' pod was started with.
*/}}
{{- define "tulle-viz.prometheus" -}}
{{- include "tulle-viz.prometheus.yml" $ }}
{{- include "tulle-viz.rules.yml" $ }}
{{- end }}

{{/*
Given the time between two scrapes: that between two turns of the rules that are seldom needed, three scrapes.
*/}}
{{- define "tulle-viz.seldom" -}}
{{- $seconds := dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0 }}
{{- $sum := 0.0 }}
{{- range regexFindAll "[0-9.]+(ms|s|m|h|d)" . -1 }}
{{- $unit := regexFind "[a-z]+$" . }}
{{- $sum = addf $sum (mulf (trimSuffix $unit . | float64) (index $seconds $unit)) }}
{{- end }}
{{- printf "%gs" (mulf $sum 3.0) }}
{{- end }}

{{/*
Given labels: each as KEY=TEXT, with a comma after it.
*/}}
{{- define "tulle-viz.labels" -}}
{{- range $key, $text := . }}{{ $key }}={{ $text }},{{ end }}
{{- end }}
