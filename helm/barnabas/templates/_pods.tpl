{{/* The StatefulSet of a pool; all take (dict "context" $ "role" role). */}}

{{- define "barnabas.affinity" -}}
{{- $pool := get .context.Values .role -}}
{{- $labels := include "barnabas.matchLabels" . | fromYaml -}}
{{- $term := dict "labelSelector" (dict "matchLabels" $labels) "topologyKey" (default "kubernetes.io/hostname" $pool.topologyKey) -}}
{{- $out := dict -}}
{{- range $kind, $preset := dict "podAffinity" $pool.podAffinityPreset "podAntiAffinity" $pool.podAntiAffinityPreset -}}
{{- if eq $preset "soft" -}}
{{- $_ := set $out $kind (dict "preferredDuringSchedulingIgnoredDuringExecution" (list (dict "weight" 1 "podAffinityTerm" $term))) -}}
{{- else if eq $preset "hard" -}}
{{- $_ := set $out $kind (dict "requiredDuringSchedulingIgnoredDuringExecution" (list $term)) -}}
{{- end -}}
{{- end -}}
{{- with $pool.nodeAffinityPreset -}}
{{- if and .type .key .values -}}
{{- $match := dict "matchExpressions" (list (dict "key" .key "operator" "In" "values" .values)) -}}
{{- if eq .type "soft" -}}
{{- $_ := set $out "nodeAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" (list (dict "weight" 1 "preference" $match))) -}}
{{- else -}}
{{- $_ := set $out "nodeAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" (list $match))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $out -}}
{{- end -}}

{{- define "barnabas.env" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- if include "barnabas.exposed" . }}
- name: HOST_IP
  valueFrom:
    fieldRef:
      fieldPath: status.hostIP
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
{{- end }}
{{- if and .context.Values.brokerRackAwareness.enabled (not .context.Values.brokerRackAwareness.cloudProvider) }}
- name: POD_ZONE
  valueFrom:
    fieldRef:
      fieldPath: metadata.labels['topology.kubernetes.io/zone']
{{- end }}
{{- $pool := get .context.Values .role }}
{{- with concat $pool.extraEnvVars .context.Values.extraEnvVars }}
{{ include "barnabas.render" (dict "value" . "context" $.context) }}
{{- end }}
{{- end -}}

{{/* envFrom of (dict "context" $ "maps" (list name...) "secrets" (list name...)) */}}
{{- define "barnabas.envFrom" -}}
{{- $from := list -}}
{{- range .maps -}}{{- if . -}}{{- $from = append $from (dict "configMapRef" (dict "name" (tpl . $.context))) -}}{{- end -}}{{- end -}}
{{- range .secrets -}}{{- if . -}}{{- $from = append $from (dict "secretRef" (dict "name" (tpl . $.context))) -}}{{- end -}}{{- end -}}
{{- if $from -}}
envFrom:
  {{- toYaml $from | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "barnabas.ports" -}}
{{- $values := .context.Values -}}
{{- if eq .role "controller" }}
- name: controller
  containerPort: {{ int $values.listeners.controller.containerPort }}
{{- end }}
{{- if include "barnabas.serves" . }}
- name: client
  containerPort: {{ int $values.listeners.client.containerPort }}
- name: interbroker
  containerPort: {{ int $values.listeners.interbroker.containerPort }}
{{- if include "barnabas.exposed" . }}
- name: external
  containerPort: {{ int $values.listeners.external.containerPort }}
{{- end }}
{{- range $values.listeners.extraListeners }}
- name: {{ lower .name }}
  containerPort: {{ int .containerPort }}
{{- end }}
{{- end }}
- name: metrics
  containerPort: {{ int $values.metrics.jmx.containerPorts.metrics }}
{{- with (get $values .role).extraContainerPorts }}
{{ include "barnabas.render" (dict "value" . "context" $.context) }}
{{- end }}
{{- end -}}

{{/* /livez asks whether the event loops come round: also of a node that recovers, waits for its quorum
     or is behind. /readyz is what a rolling restart waits for: all its replicas are in sync. */}}
{{- define "barnabas.probes" -}}
{{- $pool := get .context.Values .role -}}
{{- range $kind, $custom := dict "startupProbe" $pool.customStartupProbe "livenessProbe" $pool.customLivenessProbe "readinessProbe" $pool.customReadinessProbe }}
{{- $probe := get $pool $kind }}
{{- if $custom }}
{{ $kind }}:
  {{- include "barnabas.render" (dict "value" $custom "context" $.context) | nindent 2 }}
{{- else if $probe.enabled }}
{{ $kind }}:
  httpGet:
    path: {{ ternary "/readyz" "/livez" (eq $kind "readinessProbe") }}
    port: metrics
  {{- omit $probe "enabled" | toYaml | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "barnabas.initContainers" -}}
{{- $values := .context.Values -}}
{{- $pool := get $values .role -}}
{{- $defaults := $values.defaultInitContainers -}}
{{- if and $defaults.volumePermissions.enabled $pool.persistence.enabled }}
- name: volume-permissions
  image: {{ include "barnabas.image" .context }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  {{- if $defaults.volumePermissions.containerSecurityContext.enabled }}
  securityContext:
    {{- include "barnabas.securityContext" (dict "context" .context "value" $defaults.volumePermissions.containerSecurityContext) | nindent 4 }}
  {{- end }}
  command: [/bin/sh, -ec]
  args:
    - chown -R {{ int $pool.containerSecurityContext.runAsUser }}:{{ int $pool.podSecurityContext.fsGroup }} {{ $pool.persistence.mountPath }}
  resources:
    {{- include "barnabas.resources" (dict "resources" $defaults.volumePermissions.resources "preset" $defaults.volumePermissions.resourcesPreset) | nindent 4 }}
  volumeMounts:
    - name: data
      mountPath: {{ $pool.persistence.mountPath }}
{{- end }}
- name: prepare-config
  image: {{ include "barnabas.image" .context }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  {{- if $defaults.prepareConfig.containerSecurityContext.enabled }}
  securityContext:
    {{- include "barnabas.securityContext" (dict "context" .context "value" $defaults.prepareConfig.containerSecurityContext) | nindent 4 }}
  {{- end }}
  command: [/bin/sh, -ec]
  args:
    - |
      {{- include "barnabas.prepare" . | nindent 6 }}
  env:
    {{- include "barnabas.env" . | nindent 4 }}
  {{- with include "barnabas.podEnvFrom" . }}
  {{- . | nindent 2 }}
  {{- end }}
  resources:
    {{- include "barnabas.resources" (dict "resources" $defaults.prepareConfig.resources "preset" $defaults.prepareConfig.resourcesPreset) | nindent 4 }}
  volumeMounts:
    - name: data
      mountPath: {{ $pool.persistence.mountPath }}
    - name: kafka-config
      mountPath: /config
    - name: kafka-configmaps
      mountPath: /configmaps
      readOnly: true
    - name: kafka-secret-config
      mountPath: /secret-config
      readOnly: true
    - name: kraft
      mountPath: /kraft
      readOnly: true
{{- with concat $pool.initContainers $values.initContainers }}
{{ include "barnabas.render" (dict "value" . "context" $.context) }}
{{- end }}
{{- end -}}

{{- define "barnabas.podEnvFrom" -}}
{{- $values := .context.Values -}}
{{- $pool := get $values .role -}}
{{- include "barnabas.envFrom" (dict "context" .context "maps" (list $pool.extraEnvVarsCM $values.extraEnvVarsCM) "secrets" (list $pool.extraEnvVarsSecret $values.extraEnvVarsSecret)) -}}
{{- end -}}

{{- define "barnabas.container" -}}
{{- $values := .context.Values -}}
{{- $pool := get $values .role -}}
- name: kafka
  image: {{ include "barnabas.image" .context }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  {{- if $pool.containerSecurityContext.enabled }}
  securityContext:
    {{- include "barnabas.securityContext" (dict "context" .context "value" $pool.containerSecurityContext) | nindent 4 }}
  {{- end }}
  {{- if $values.diagnosticMode.enabled }}
  command:
    {{- include "barnabas.render" (dict "value" $values.diagnosticMode.command "context" .context) | nindent 4 }}
  args:
    {{- include "barnabas.render" (dict "value" $values.diagnosticMode.args "context" .context) | nindent 4 }}
  {{- else }}
  command:
    {{- include "barnabas.render" (dict "value" (default (list "barnabas") $pool.command) "context" .context) | nindent 4 }}
  args:
    {{- include "barnabas.render" (dict "value" (default (list "/opt/bitnami/kafka/config/server.properties") $pool.args) "context" .context) | nindent 4 }}
  {{- end }}
  env:
    {{- include "barnabas.env" . | nindent 4 }}
  {{- with include "barnabas.podEnvFrom" . }}
  {{- . | nindent 2 }}
  {{- end }}
  ports:
    {{- include "barnabas.ports" . | trim | nindent 4 }}
  {{- if not $values.diagnosticMode.enabled }}
  {{- include "barnabas.probes" . | trim | nindent 2 }}
  {{- end }}
  {{- with $pool.lifecycleHooks }}
  lifecycle:
    {{- include "barnabas.render" (dict "value" . "context" $.context) | nindent 4 }}
  {{- end }}
  resources:
    {{- include "barnabas.resources" (dict "resources" $pool.resources "preset" $pool.resourcesPreset) | nindent 4 }}
  volumeMounts:
    - name: data
      mountPath: {{ $pool.persistence.mountPath }}
    {{- if $pool.logPersistence.enabled }}
    - name: logs
      mountPath: {{ $pool.logPersistence.mountPath }}
    {{- end }}
    - name: kafka-config
      mountPath: /opt/bitnami/kafka/config/server.properties
      subPath: server.properties
      readOnly: true
    - name: tmp
      mountPath: /tmp
    {{- with concat $values.extraVolumeMounts $pool.extraVolumeMounts }}
    {{- include "barnabas.render" (dict "value" . "context" $.context) | nindent 4 }}
    {{- end }}
{{- with concat $pool.sidecars $values.sidecars }}
{{ include "barnabas.render" (dict "value" . "context" $.context) }}
{{- end }}
{{- end -}}

{{- define "barnabas.volumes" -}}
{{- $values := .context.Values -}}
{{- $pool := get $values .role -}}
- name: kafka-configmaps
  configMap:
    name: {{ include "barnabas.configmapName" . }}
- name: kafka-secret-config
  {{- with include "barnabas.secretConfigName" . }}
  secret:
    secretName: {{ . }}
  {{- else }}
  emptyDir: {}
  {{- end }}
- name: kraft
  secret:
    secretName: {{ include "barnabas.kraftSecretName" .context }}
- name: kafka-config
  emptyDir: {}
- name: tmp
  emptyDir: {}
{{- range $name, $storage := dict "data" $pool.persistence "logs" $pool.logPersistence }}
{{- if and (not $storage.enabled) (eq $name "data") }}
- name: {{ $name }}
  emptyDir: {}
{{- else if and $storage.enabled $storage.existingClaim }}
- name: {{ $name }}
  persistentVolumeClaim:
    claimName: {{ tpl $storage.existingClaim $.context }}
{{- end }}
{{- end }}
{{- with concat $values.extraVolumes $pool.extraVolumes }}
{{ include "barnabas.render" (dict "value" . "context" $.context) }}
{{- end }}
{{- end -}}

{{- define "barnabas.configmapName" -}}
{{- $pool := get .context.Values .role -}}
{{- tpl (coalesce $pool.existingConfigmap .context.Values.existingConfigmap (printf "%s-configuration" (include "barnabas.pool" .))) .context -}}
{{- end -}}

{{/* empty: there is none */}}
{{- define "barnabas.secretConfigName" -}}
{{- $pool := get .context.Values .role -}}
{{- if or $pool.existingSecretConfig .context.Values.existingSecretConfig -}}
{{- tpl (default .context.Values.existingSecretConfig $pool.existingSecretConfig) .context -}}
{{- else if or $pool.secretConfig .context.Values.secretConfig -}}
{{- printf "%s-secret-configuration" (include "barnabas.pool" .) -}}
{{- end -}}
{{- end -}}

{{- define "barnabas.claims" -}}
{{- $pool := get .context.Values .role -}}
{{- $global := .context.Values.global -}}
{{- range $name, $storage := dict "data" $pool.persistence "logs" $pool.logPersistence }}
{{- if and $storage.enabled (not $storage.existingClaim) }}
- apiVersion: v1
  kind: PersistentVolumeClaim
  metadata:
    name: {{ $name }}
    {{- with $storage.annotations }}
    annotations:
      {{- include "barnabas.render" (dict "value" . "context" $.context) | nindent 6 }}
    {{- end }}
    {{- with $storage.labels }}
    labels:
      {{- include "barnabas.render" (dict "value" . "context" $.context) | nindent 6 }}
    {{- end }}
  spec:
    accessModes:
      {{- toYaml $storage.accessModes | nindent 6 }}
    resources:
      requests:
        storage: {{ $storage.size }}
    {{- with coalesce $global.storageClass $storage.storageClass $global.defaultStorageClass }}
    storageClassName: {{ ternary "" . (eq . "-") | quote }}
    {{- end }}
    {{- with $storage.selector }}
    selector:
      {{- include "barnabas.render" (dict "value" . "context" $.context) | nindent 6 }}
    {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "barnabas.statefulset" -}}
{{- $values := .context.Values -}}
{{- $pool := get $values .role -}}
{{- $component := include "barnabas.component" . -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "barnabas.metadata" (dict "context" .context "name" (include "barnabas.pool" .) "component" $component) | nindent 2 }}
spec:
  podManagementPolicy: {{ $pool.podManagementPolicy }}
  replicas: {{ int $pool.replicaCount }}
  selector:
    matchLabels:
      {{- include "barnabas.matchLabels" . | nindent 6 }}
  serviceName: {{ include "barnabas.headless" . }}
  updateStrategy:
    {{- include "barnabas.render" (dict "value" $pool.updateStrategy "context" .context) | nindent 4 }}
  {{- with $pool.minReadySeconds }}
  minReadySeconds: {{ int . }}
  {{- end }}
  template:
    metadata:
      labels:
        {{- include "barnabas.labels" (dict "context" .context "component" $component "labels" (list $pool.podLabels)) | nindent 8 }}
      annotations:
        checksum/configuration: {{ include "barnabas.properties" . | sha256sum }}
        {{- with coalesce $pool.secretConfig $values.secretConfig }}
        checksum/secret-configuration: {{ tpl . $.context | sha256sum }}
        {{- end }}
        {{- with $pool.podAnnotations }}
        {{- include "barnabas.render" (dict "value" . "context" $.context) | nindent 8 }}
        {{- end }}
    spec:
      {{- with include "barnabas.imagePullSecrets" .context }}
      {{- . | nindent 6 }}
      {{- end }}
      automountServiceAccountToken: {{ $pool.automountServiceAccountToken }}
      serviceAccountName: {{ include "barnabas.serviceAccountName" .context }}
      enableServiceLinks: {{ $pool.enableServiceLinks }}
      hostIPC: {{ $pool.hostIPC }}
      terminationGracePeriodSeconds: {{ int (default 60 $pool.terminationGracePeriodSeconds) }}
      {{- with $pool.hostAliases }}
      hostAliases:
        {{- include "barnabas.render" (dict "value" . "context" $.context) | nindent 8 }}
      {{- end }}
      {{- with default (include "barnabas.affinity" . | fromYaml) $pool.affinity }}
      affinity:
        {{- include "barnabas.render" (dict "value" . "context" $.context) | nindent 8 }}
      {{- end }}
      {{- range $key := list "nodeSelector" "tolerations" "topologySpreadConstraints" }}
      {{- with get $pool $key }}
      {{ $key }}:
        {{- include "barnabas.render" (dict "value" . "context" $.context) | nindent 8 }}
      {{- end }}
      {{- end }}
      {{- range $key := list "schedulerName" "priorityClassName" "runtimeClassName" }}
      {{- with get $pool $key }}
      {{ $key }}: {{ . | quote }}
      {{- end }}
      {{- end }}
      {{- with $values.dnsPolicy }}
      dnsPolicy: {{ . }}
      {{- end }}
      {{- with $values.dnsConfig }}
      dnsConfig:
        {{- include "barnabas.render" (dict "value" . "context" $.context) | nindent 8 }}
      {{- end }}
      {{- if $pool.podSecurityContext.enabled }}
      securityContext:
        {{- include "barnabas.securityContext" (dict "context" .context "value" $pool.podSecurityContext) | nindent 8 }}
      {{- end }}
      initContainers:
        {{- include "barnabas.initContainers" . | trim | nindent 8 }}
      containers:
        {{- include "barnabas.container" . | nindent 8 }}
      volumes:
        {{- include "barnabas.volumes" . | nindent 8 }}
  {{- if $pool.persistentVolumeClaimRetentionPolicy.enabled }}
  persistentVolumeClaimRetentionPolicy:
    {{- omit $pool.persistentVolumeClaimRetentionPolicy "enabled" | toYaml | nindent 4 }}
  {{- end }}
  {{- with include "barnabas.claims" . | trim }}
  volumeClaimTemplates:
    {{- . | nindent 4 }}
  {{- end }}
{{- end -}}
