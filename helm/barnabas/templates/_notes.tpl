{{/* Keys that are accepted and have no effect, and what they are when nobody set them, as JSON. */}}
{{- define "barnabas.noEffect" -}}
global.security.allowInsecureImages: "false"
kubeVersion: '""'
apiVersions: "[]"
image.debug: "false"
interBrokerProtocolVersion: '""'
heapOpts: '""'
controller.heapOpts: '""'
broker.heapOpts: '""'
log4j2: '""'
existingLog4j2ConfigMap: '""'
provisioning.parallel: "1"
usePasswordFiles: "true"
serviceBindings.enabled: "false"
controller.autoscaling.vpa.enabled: "false"
broker.autoscaling.vpa.enabled: "false"
defaultInitContainers.volumePermissions.image.repository: '""'
rbac.create: "false"
metrics.jmx.kafkaJmxPort: "5555"
metrics.jmx.image.repository: '""'
metrics.jmx.containerSecurityContext: "{}"
metrics.jmx.resourcesPreset: '"micro"'
metrics.jmx.resources: "{}"
metrics.jmx.livenessProbe: "{}"
metrics.jmx.readinessProbe: "{}"
metrics.jmx.whitelistObjectNames: "[]"
metrics.jmx.config: '""'
metrics.jmx.existingConfigmap: '""'
metrics.jmx.extraRules: '""'
{{- end -}}

{{- define "barnabas.ignored" -}}
{{- $ignored := list -}}
{{- range $path, $default := include "barnabas.noEffect" . | fromYaml -}}
{{- $value := $.Values -}}
{{- range splitList "." $path -}}
{{- $value = get $value . -}}
{{- end -}}
{{- if ne (toJson $value) $default -}}
{{- $ignored = append $ignored $path -}}
{{- end -}}
{{- end -}}
{{- join ", " $ignored -}}
{{- end -}}
