{{/* Names, labels and small things. Names are those of the Bitnami kafka chart: what runs under them
     can be upgraded, and clients find it where it was. */}}

{{- define "barnabas.name" -}}
{{- default "kafka" .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "barnabas.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "barnabas.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "barnabas.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "barnabas.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/* (dict "context" $ "role" "controller") */}}
{{- define "barnabas.pool" -}}
{{- printf "%s-%s" (include "barnabas.fullname" .context) .role | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "barnabas.headless" -}}
{{- printf "%s-headless" (include "barnabas.pool" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "barnabas.component" -}}
{{- ternary "controller-eligible" "broker" (eq .role "controller") -}}
{{- end -}}

{{- define "barnabas.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "barnabas.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "barnabas.kraftSecretName" -}}
{{- if .Values.existingKraftSecret -}}
{{- tpl .Values.existingKraftSecret . -}}
{{- else -}}
{{- printf "%s-kraft" (include "barnabas.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* Renders a value that may hold templates: (dict "value" ... "context" $) */}}
{{- define "barnabas.render" -}}
{{- if typeIs "string" .value -}}
{{- tpl .value .context -}}
{{- else -}}
{{- tpl (toYaml .value) .context -}}
{{- end -}}
{{- end -}}

{{/* A value of server.properties: numbers that YAML read as floats are whole again. */}}
{{- define "barnabas.scalar" -}}
{{- if and (kindIs "float64" .value) (eq (floor .value) .value) -}}
{{- int64 .value -}}
{{- else if kindIs "slice" .value -}}
{{- join "," .value -}}
{{- else -}}
{{- tpl (toString .value) .context -}}
{{- end -}}
{{- end -}}

{{/* (dict "context" $ "role" role): what pods of a pool are selected by */}}
{{- define "barnabas.matchLabels" -}}
app.kubernetes.io/instance: {{ .context.Release.Name }}
app.kubernetes.io/name: {{ include "barnabas.name" .context }}
{{- if .role }}
app.kubernetes.io/component: {{ include "barnabas.component" . }}
app.kubernetes.io/part-of: kafka
{{- end }}
{{- end -}}

{{/* (dict "context" $ "component" "..." "labels" (list map...)): all labels of an object; maps later
     in the list win, none replaces what pods are selected by */}}
{{- define "barnabas.labels" -}}
{{- $labels := dict
      "helm.sh/chart" (printf "%s-%s" .context.Chart.Name .context.Chart.Version | replace "+" "_")
      "app.kubernetes.io/version" .context.Chart.AppVersion
      "app.kubernetes.io/managed-by" .context.Release.Service
      "app.kubernetes.io/part-of" "kafka" -}}
{{- range prepend (.labels | default list) .context.Values.commonLabels -}}
{{- range $key, $value := . -}}
{{- $_ := set $labels $key (tpl (toString $value) $.context) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $labels "app.kubernetes.io/name" (include "barnabas.name" .context) -}}
{{- $_ := set $labels "app.kubernetes.io/instance" .context.Release.Name -}}
{{- if .component -}}
{{- $_ := set $labels "app.kubernetes.io/component" .component -}}
{{- end -}}
{{- toYaml $labels -}}
{{- end -}}

{{/* metadata of an object: (dict "context" $ "name" ... "component" ... "labels" (list ...)
     "annotations" (list ...) "namespace" ...) */}}
{{- define "barnabas.metadata" -}}
name: {{ .name }}
namespace: {{ default (include "barnabas.namespace" .context) .namespace | quote }}
labels:
  {{- include "barnabas.labels" . | nindent 2 }}
{{- $annotations := dict -}}
{{- range prepend (.annotations | default list) .context.Values.commonAnnotations -}}
{{- range $key, $value := . -}}
{{- $_ := set $annotations $key (tpl (toString $value) $.context) -}}
{{- end -}}
{{- end }}
{{- if $annotations }}
annotations:
  {{- toYaml $annotations | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "barnabas.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag | toString -}}
{{- $image := ternary (printf "%s@%s" .Values.image.repository .Values.image.digest) (printf "%s:%s" .Values.image.repository $tag) (ne .Values.image.digest "") -}}
{{- if $registry -}}{{- printf "%s/%s" $registry $image -}}{{- else -}}{{- $image -}}{{- end -}}
{{- end -}}

{{- define "barnabas.imagePullSecrets" -}}
{{- $secrets := list -}}
{{- range concat (.Values.global.imagePullSecrets | default list) (.Values.image.pullSecrets | default list) -}}
{{- $name := tpl (ternary (toString .) (toString (get (ternary (dict) . (kindIs "string" .)) "name")) (kindIs "string" .)) $ -}}
{{- $secrets = append $secrets (dict "name" $name) -}}
{{- end -}}
{{- if $secrets -}}
imagePullSecrets:
  {{- toYaml (uniq $secrets) | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* (dict "context" $ "value" securityContext): without `enabled`, and without ids where OpenShift
     gives them */}}
{{- define "barnabas.securityContext" -}}
{{- $out := omit .value "enabled" -}}
{{- $adapt := .context.Values.global.compatibility.openshift.adaptSecurityContext -}}
{{- if or (eq $adapt "force") (and (eq $adapt "auto") (.context.Capabilities.APIVersions.Has "security.openshift.io/v1")) -}}
{{- $out = omit $out "runAsUser" "runAsGroup" "fsGroup" -}}
{{- end -}}
{{- if not $out.seLinuxOptions -}}
{{- $out = omit $out "seLinuxOptions" -}}
{{- end -}}
{{- toYaml $out -}}
{{- end -}}

{{/* (dict "resources" {...} "preset" "nano"): what Barnabas needs is not what a JVM needs */}}
{{- define "barnabas.resources" -}}
{{- $presets := dict
      "nano" (dict "cpu" "50m" "memory" "32Mi" "limit" "128Mi")
      "micro" (dict "cpu" "100m" "memory" "64Mi" "limit" "256Mi")
      "small" (dict "cpu" "250m" "memory" "128Mi" "limit" "512Mi")
      "medium" (dict "cpu" "500m" "memory" "256Mi" "limit" "1Gi")
      "large" (dict "cpu" "1" "memory" "512Mi" "limit" "2Gi")
      "xlarge" (dict "cpu" "2" "memory" "1Gi" "limit" "4Gi")
      "2xlarge" (dict "cpu" "4" "memory" "2Gi" "limit" "8Gi") -}}
{{- if .resources -}}
{{- toYaml .resources -}}
{{- else if ne .preset "none" -}}
{{- $preset := get $presets .preset -}}
requests:
  cpu: {{ $preset.cpu }}
  memory: {{ $preset.memory }}
limits:
  memory: {{ $preset.limit }}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{/* A Secret's value that is kept from release to release: (dict "context" $ "secret" name "key" key
     "given" value "length" 22) */}}
{{- define "barnabas.kept" -}}
{{- $old := get ((lookup "v1" "Secret" (include "barnabas.namespace" .context) .secret).data | default dict) .key -}}
{{- if .given -}}
{{- .given | b64enc -}}
{{- else if $old -}}
{{- $old -}}
{{- else -}}
{{- include "barnabas.uuid" . | b64enc -}}
{{- end -}}
{{- end -}}

{{/* A random id as Kafka writes them: 16 bytes in 22 characters of URL-safe base64, the last of which
     has two bits; none begins with a dash. */}}
{{- define "barnabas.uuid" -}}
{{- printf "%s%s" (randAlphaNum 21) (list "A" "Q" "g" "w" | join "" | shuffle | trunc 1) -}}
{{- end -}}

{{- define "barnabas.brokerCount" -}}
{{- $controllers := ternary 0 (int .Values.controller.replicaCount) .Values.controller.controllerOnly -}}
{{- add $controllers (int .Values.broker.replicaCount) -}}
{{- end -}}

{{/* "true" where pods of the pool are reached from outside: (dict "context" $ "role" role) */}}
{{- define "barnabas.exposed" -}}
{{- $values := .context.Values -}}
{{- if and $values.externalAccess.enabled (or (eq .role "broker") (not $values.controller.controllerOnly) $values.externalAccess.controller.forceExpose) -}}
true
{{- end -}}
{{- end -}}

{{/* "true" where pods of the pool serve clients */}}
{{- define "barnabas.serves" -}}
{{- if or (eq .role "broker") (not .context.Values.controller.controllerOnly) -}}
true
{{- end -}}
{{- end -}}

{{- define "barnabas.intOrPercent" -}}
{{- if regexMatch "^[0-9.]+$" (toString .) -}}{{- int . -}}{{- else -}}{{- . | quote -}}{{- end -}}
{{- end -}}

{{- define "barnabas.metricsEnabled" -}}
{{- if or .Values.metrics.enabled .Values.metrics.jmx.enabled -}}
true
{{- end -}}
{{- end -}}
