{{/*
The values with each empty one that another one, this chart or the cluster decides filled in, as JSON.
*/}}
{{- define "tulle.values" -}}
{{- $values := include "tulle.typed" (list (include "tulle.empty" $ | fromJson) .Values) | fromJson }}
{{- $version := $values.linkerdVersion | default .Chart.AppVersion }}
{{- $image := $values.proxy.image }}
{{- $_ := set $values "linkerdVersion" $version }}
{{- $_ := set $values "controllerImageVersion" ($values.controllerImageVersion | default $version) }}
{{- $_ := set $image "version" ($image.version | default $version) }}
{{- $_ := set $image "pullPolicy" ($image.pullPolicy | default $values.imagePullPolicy) }}
{{- $_ := set $values "identityTrustDomain" ($values.identityTrustDomain | default $values.clusterDomain) }}
{{- include "tulle.checked" $values }}
{{- include "tulle.checkedTogether" $values }}
{{- if and (lookup "v1" "Namespace" "" "kube-system") (not (lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "servers.policy.linkerd.io")) }}
{{- fail "the cluster lacks the definitions of Tulle's kinds; create them first: helm install tulle-crds charts/tulle-crds" }}
{{- end }}
{{- include "tulle.storedIdentity" (list $ $values) }}
{{- include "tulle.checkedIdentity" $values }}
{{- toJson $values }}
{{- end }}

{{/*
Given (list EMPTY GIVEN): the given values, each of the kind that the empty ones say. A number stands for its
text, one text for a list of it; what is missing is empty.
*/}}
{{- define "tulle.typed" -}}
{{- $given := index . 1 }}
{{- $found := dict }}
{{- range $key, $empty := index . 0 }}
{{- $value := index $given $key }}
{{- if kindIs "invalid" $value }}
{{- $value = $empty }}
{{- else if and (kindIs "map" $empty) $empty }}
{{- $value = include "tulle.typed" (list $empty $value) | fromJson }}
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
Given (list ROOT VALUES): trust anchors and issuer that an earlier release stored, where the values name none.
*/}}
{{- define "tulle.storedIdentity" -}}
{{- $namespace := (index . 0).Release.Namespace }}
{{- $values := index . 1 }}
{{- $tls := $values.identity.issuer.tls }}
{{- if not $values.identityTrustAnchorsPEM }}
{{- $roots := (lookup "v1" "ConfigMap" $namespace "tulle-identity-trust-roots").data | default dict }}
{{- $_ := set $values "identityTrustAnchorsPEM" (index $roots "ca-bundle.crt" | default "") }}
{{- end }}
{{- if and (eq $values.identity.issuer.scheme "linkerd.io/tls") (not $tls.crtPEM) (not $tls.keyPEM) }}
{{- $stored := (lookup "v1" "Secret" $namespace "tulle-identity-issuer").data | default dict }}
{{- $_ := set $tls "crtPEM" (index $stored "crt.pem" | default "" | b64dec) }}
{{- $_ := set $tls "keyPEM" (index $stored "key.pem" | default "" | b64dec) }}
{{- end }}
{{- end }}

{{- define "tulle.checkedIdentity" -}}
{{- $tls := .identity.issuer.tls }}
{{- if eq .identity.issuer.scheme "kubernetes.io/tls" }}
{{- if or $tls.crtPEM $tls.keyPEM }}
{{- fail "identity.issuer.scheme=kubernetes.io/tls says that somebody else writes the issuer's Secret, so identity.issuer.tls.crtPEM and identity.issuer.tls.keyPEM must not be given" }}
{{- end }}
{{- if not (or .identityTrustAnchorsPEM .identity.externalCA) }}
{{- fail "identity.issuer.scheme=kubernetes.io/tls needs the trust anchors of that issuer: give identityTrustAnchorsPEM, or identity.externalCA=true if their ConfigMap is written by somebody else too" }}
{{- end }}
{{- else }}
{{- if .identity.externalCA }}
{{- fail "identity.externalCA needs identity.issuer.scheme=kubernetes.io/tls: who writes the trust anchors must write the issuer's Secret too" }}
{{- end }}
{{- $given := dict "identityTrustAnchorsPEM" .identityTrustAnchorsPEM "identity.issuer.tls.crtPEM" $tls.crtPEM "identity.issuer.tls.keyPEM" $tls.keyPEM }}
{{- range $path, $text := $given }}
{{- if not $text }}
{{- fail (printf "%s is missing: Helm makes no certificate authority, so give your own by --set-file identityTrustAnchorsPEM=ca.crt --set-file identity.issuer.tls.crtPEM=issuer.crt --set-file identity.issuer.tls.keyPEM=issuer.key; `tulle install` makes one" $path) }}
{{- end }}
{{- end }}
{{- if not (contains "PRIVATE KEY-----" $tls.keyPEM) }}
{{- fail "identity.issuer.tls.keyPEM is not PEM: it has no -----BEGIN … PRIVATE KEY----- line" }}
{{- end }}
{{- $end := include "tulle.expiry" $tls.crtPEM }}
{{- if lt $end (dateInZone "2006-01-02T15:04:05Z" now "UTC") }}
{{- fail (printf "identity.issuer.tls.crtPEM expired at %s" $end) }}
{{- end }}
{{- end }}
{{- with .identityTrustAnchorsPEM }}
{{- if contains "PRIVATE KEY-----" . }}
{{- fail "identityTrustAnchorsPEM holds a private key; certificates belong there" }}
{{- end }}
{{- if not (contains "-----BEGIN CERTIFICATE-----" .) }}
{{- fail "identityTrustAnchorsPEM is not PEM: it has no -----BEGIN CERTIFICATE----- line" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tulle.checkedTogether" -}}
{{- if ne (len (uniq (values .proxy.ports))) 4 }}
{{- fail "proxy.ports: two of admin, control, inbound and outbound are the same" }}
{{- end }}
{{- range $kind, $resource := .proxy.resources }}
{{- if and $resource.request $resource.limit }}
{{- if gt (include "tulle.quantity" $resource.request | float64) (include "tulle.quantity" $resource.limit | float64) }}
{{- fail (printf "proxy.resources.%s: the request %s is above the limit %s" $kind $resource.request $resource.limit) }}
{{- end }}
{{- end }}
{{- end }}
{{- if .proxy.tracing.enabled }}
{{- $collector := .proxy.tracing.collector }}
{{- $needed := dict "endpoint" $collector.endpoint "meshIdentity.serviceAccountName" $collector.meshIdentity.serviceAccountName "meshIdentity.namespace" $collector.meshIdentity.namespace }}
{{- range $path, $text := $needed }}
{{- if not $text }}
{{- fail (printf "the value proxy.tracing.collector.%s must be set, as proxy.tracing.enabled is true" $path) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $key, $text := .podAnnotations }}
{{- if regexMatch "^(config(\\.alpha|\\.beta)?\\.linkerd\\.io/|resource\\.opentelemetry\\.io/|linkerd\\.io/inject$)" $key }}
{{- fail (printf "podAnnotations: %s would configure the control plane's own proxies, which this chart cannot follow; set the value below proxy instead, or use `tulle install`" $key) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Given a quantity such as 100m or 64Mi: its number.
*/}}
{{- define "tulle.quantity" -}}
{{- $factors := dict "n" 1e-9 "u" 1e-6 "m" 1e-3 "" 1.0 "k" 1e3 "K" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 }}
{{- $suffix := regexFind "[numkKMGTPE]i?$" . }}
{{- mulf (trimSuffix $suffix . | float64) (index $factors $suffix) }}
{{- end }}

{{/*
Given PEM: when its first certificate ends, such as 2027-01-02T03:04:05Z. In the certificate two times stand, in
ASN.1: that from which it is valid, and this one.
*/}}
{{- define "tulle.expiry" -}}
{{- $first := regexFind "-----BEGIN CERTIFICATE-----[^-]*" . | trimPrefix "-----BEGIN CERTIFICATE-----" }}
{{- $times := regexFindAll "(\\x17\\x0d[0-9]{12}|\\x18\\x0f[0-9]{14})Z" (regexReplaceAll "\\s" $first "" | b64dec) 2 }}
{{- if lt (len $times) 2 }}
{{- fail "identity.issuer.tls.crtPEM is not a readable certificate" }}
{{- else }}
{{- $digits := regexFind "[0-9]+" (index $times 1) }}
{{- if eq (len $digits) 12 }}
{{- $digits = print (ternary "20" "19" (lt $digits "50")) $digits }}
{{- end }}
{{- regexReplaceAll "(....)(..)(..)(..)(..)(..)" $digits "${1}-${2}-${3}T${4}:${5}:${6}Z" }}
{{- end }}
{{- end }}

{{/*
Given (list ROOT VALUES WEBHOOK SECRET SERVICE KIND NAME): what the Service serves and who is to trust it, in
base64. A Secret's certificate is kept, with all that the object NAME tells the API server to trust.
*/}}
{{- define "tulle.serving" -}}
{{- $namespace := (index . 0).Release.Namespace }}
{{- $webhook := index . 2 }}
{{- $given := index (index . 1) $webhook }}
{{- $stored := (lookup "v1" "Secret" $namespace (index . 3)).data | default dict }}
{{- $certificate := index $stored "tls.crt" | default "" }}
{{- $key := index $stored "tls.key" | default "" }}
{{- $bundle := "" }}
{{- if $given.externalSecret }}
{{- if not (or $given.caBundle $given.injectCaFrom) }}
{{- fail (printf "%s.externalSecret needs %s.caBundle or %s.injectCaFrom, or the API server would not trust the webhook" $webhook $webhook $webhook) }}
{{- end }}
{{- $bundle = b64enc $given.caBundle }}
{{- else if or $given.crtPEM $given.keyPEM }}
{{- if not (and $given.crtPEM $given.keyPEM) }}
{{- fail (printf "%s.crtPEM and %s.keyPEM go together" $webhook $webhook) }}
{{- end }}
{{- $certificate = b64enc $given.crtPEM }}
{{- $key = b64enc $given.keyPEM }}
{{- $bundle = $given.caBundle | default $given.crtPEM | b64enc }}
{{- else if and $certificate $key }}
{{- $configuration := lookup "admissionregistration.k8s.io/v1" (index . 5) "" (index . 6) }}
{{- range $hook := $configuration.webhooks }}
{{- $bundle = $hook.clientConfig.caBundle | default "" }}
{{- end }}
{{- if not (contains (b64dec $certificate) (b64dec $bundle)) }}
{{- $bundle = print (b64dec $bundle) (b64dec $certificate) | b64enc }}
{{- end }}
{{- else }}
{{- $host := printf "%s.%s.svc" (index . 4) $namespace }}
{{- $made := genSelfSignedCertWithKey $host nil (list $host) 365 (genPrivateKey "ecdsa") }}
{{- $certificate = b64enc $made.Cert }}
{{- $key = b64enc $made.Key }}
{{- $bundle = $certificate }}
{{- end }}
{{- dict "certificate" $certificate "key" $key "bundle" $bundle | toJson }}
{{- end }}

{{/*
The values as the ConfigMap holds them for injector and command line: no private key.
*/}}
{{- define "tulle.published" -}}
{{- $values := include "tulle.values" $ | fromJson }}
{{- range $holder := list $values.identity.issuer.tls $values.proxyInjector $values.policyValidator }}
{{- $_ := set $holder "keyPEM" "" }}
{{- end }}
{{- toYaml $values }}
{{- end }}

{{/*
Given (list ROOT TEMPLATE): the variables that TEMPLATE lists. Up to the one called *, one of the values replaces that
of the same name; the rest of the values' stand in its place.
*/}}
{{- define "tulle.environment" -}}
{{- $root := index . 0 }}
{{- $additional := (include "tulle.values" $root | fromJson).proxy.additionalEnv }}
{{- $extra := dict }}
{{- range $variable := $additional }}
{{- $_ := set $extra $variable.name $variable }}
{{- end }}
{{- $found := list }}
{{- $known := list }}
{{- range $variable := include (index . 1) $root | fromYamlArray }}
{{- if eq $variable.name "*" }}
{{- range $more := $additional }}
{{- if not (has $more.name $known) }}
{{- $known = append $known $more.name }}
{{- $found = append $found (index $extra $more.name) }}
{{- end }}
{{- end }}
{{- $extra = dict }}
{{- else }}
{{- $known = append $known $variable.name }}
{{- $found = append $found (index $extra $variable.name | default $variable) }}
{{- end }}
{{- end }}
{{- toYaml $found }}
{{- end }}

{{/*
Given a filter of logs: the same, where a directive for `linkerd` also holds for `tulle`.
*/}}
{{- define "tulle.logFilter" -}}
{{- $found := list }}
{{- $names := false }}
{{- range $directive := splitList "," . }}
{{- $found = append $found (trim $directive) }}
{{- $names = or $names (hasPrefix "tulle" (trim $directive)) }}
{{- end }}
{{- $result := list }}
{{- range $directive := compact $found }}
{{- $result = append $result $directive }}
{{- if and (hasPrefix "linkerd=" $directive) (not $names) }}
{{- $result = append $result (print "tulle=" (trimPrefix "linkerd=" $directive)) }}
{{- end }}
{{- end }}
{{- join "," $result }}
{{- end }}

{{/*
Given (list PORTS NUMBER…): those of the numbers that the ports and ranges hold, separated by commas.
*/}}
{{- define "tulle.opaque" -}}
{{- $ports := first . }}
{{- $found := list }}
{{- range $number := rest . }}
{{- range $item := splitList "," $ports | compact }}
{{- $ends := splitList "-" $item }}
{{- if and (ge $number (first $ends | trim | int)) (le $number (last $ends | trim | int)) }}
{{- $found = append $found (toString $number) }}
{{- end }}
{{- end }}
{{- end }}
{{- uniq $found | join "," }}
{{- end }}

{{/*
Given (list VALUES TEXT): the attributes of spans that TEXT, the values and the pods' labels say, one a line.
*/}}
{{- define "tulle.traceAttributes" -}}
{{- $values := index . 0 }}
{{- $keys := list }}
{{- $texts := dict }}
{{- range $line := splitList "\n" (index . 1) | compact }}
{{- $keys = append $keys (regexFind "^[^=]*" $line) }}
{{- $_ := set $texts (regexFind "^[^=]*" $line) (regexReplaceAll "^[^=]*=" $line "") }}
{{- end }}
{{- $more := deepCopy $values.proxy.tracing.labels }}
{{- range $key, $text := $more }}
{{- $keys = append $keys $key }}
{{- $_ := set $texts $key (toString $text) }}
{{- end }}
{{- $labels := merge (dict) $values.commonLabels $values.podLabels }}
{{- $name := index $labels "app.kubernetes.io/instance" | default (index $labels "app.kubernetes.io/name") }}
{{- if $name }}
{{- $keys = append $keys "service.name" }}
{{- $_ := set $texts "service.name" $name }}
{{- end }}
{{- range $key := uniq $keys }}{{ $key }}={{ index $texts $key }}{{ "\n" }}{{ end }}
{{- end }}

{{/*
Given labels: each as KEY=TEXT, with a comma after it.
*/}}
{{- define "tulle.labels" -}}
{{- range $key, $text := . }}{{ $key }}={{ $text }},{{ end }}
{{- end }}
