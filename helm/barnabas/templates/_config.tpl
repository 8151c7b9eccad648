{{/* server.properties of a pool, and the script that makes each pod's own of it. All take
     (dict "context" $ "role" role). */}}

{{- define "barnabas.listenerList" -}}
{{- $l := .context.Values.listeners -}}
{{- $list := list -}}
{{- if include "barnabas.serves" . -}}
{{- $list = list $l.client $l.interbroker -}}
{{- if include "barnabas.exposed" . -}}{{- $list = append $list $l.external -}}{{- end -}}
{{- if eq .role "controller" -}}{{- $list = append $list $l.controller -}}{{- end -}}
{{- $list = concat $list ($l.extraListeners | default list) -}}
{{- else -}}
{{- $list = list $l.controller -}}
{{- end -}}
{{- $out := list -}}
{{- range $list -}}{{- $out = append $out (printf "%s://:%d" (upper .name) (int .containerPort)) -}}{{- end -}}
{{- default (join "," $out) $l.overrideListeners -}}
{{- end -}}

{{- define "barnabas.advertised" -}}
{{- $l := .context.Values.listeners -}}
{{- $out := list -}}
{{- range concat (list $l.client $l.interbroker) ($l.extraListeners | default list) -}}
{{- $out = append $out (printf "%s://advertised-address-placeholder:%d" (upper .name) (int .containerPort)) -}}
{{- end -}}
{{- $text := default (join "," $out) $l.advertisedListeners -}}
{{- if include "barnabas.exposed" . -}}
{{- $text = printf "%s,%s://external-address-placeholder" $text (upper $l.external.name) -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{- define "barnabas.protocolMap" -}}
{{- $l := .context.Values.listeners -}}
{{- $out := list -}}
{{- range concat (list $l.controller $l.client $l.interbroker $l.external) ($l.extraListeners | default list) -}}
{{- $out = append $out (printf "%s:PLAINTEXT" (upper .name)) -}}
{{- end -}}
{{- default (join "," (uniq $out)) $l.securityProtocolMap -}}
{{- end -}}

{{/* host:port of the controllers, or id@host:port for a fixed quorum */}}
{{- define "barnabas.controllers" -}}
{{- $values := .context.Values -}}
{{- if $values.controller.quorumBootstrapServers -}}
{{- tpl $values.controller.quorumBootstrapServers .context -}}
{{- else -}}
{{- $pool := dict "context" .context "role" "controller" -}}
{{- $out := list -}}
{{- range $i := until (int $values.controller.replicaCount) -}}
{{- $address := printf "%s-%d.%s:%d" (include "barnabas.pool" $pool) $i (include "barnabas.domain" $pool) (int $values.listeners.controller.containerPort) -}}
{{- if eq (int $values.kraftVersion) 0 -}}
{{- $address = printf "%d@%s" (add $i (int $values.controller.minId)) $address -}}
{{- end -}}
{{- $out = append $out $address -}}
{{- end -}}
{{- join "," $out -}}
{{- end -}}
{{- end -}}

{{/* what follows a pod's name in its name in DNS */}}
{{- define "barnabas.domain" -}}
{{- printf "%s.%s.svc.%s" (include "barnabas.headless" .) (include "barnabas.namespace" .context) .context.Values.clusterDomain -}}
{{- end -}}

{{/* The keys, as YAML. */}}
{{- define "barnabas.config" -}}
{{- $values := .context.Values -}}
{{- $pool := get $values .role -}}
{{- $config := dict -}}
{{- if or $pool.config $values.config -}}
{{- $config = deepCopy (default $values.config $pool.config) -}}
{{- else -}}
{{- $_ := set $config "process.roles" (ternary "broker" (ternary "controller" "controller,broker" $values.controller.controllerOnly) (eq .role "broker")) -}}
{{- $_ := set $config "listeners" (include "barnabas.listenerList" .) -}}
{{- $_ := set $config "listener.security.protocol.map" (include "barnabas.protocolMap" .) -}}
{{- $_ := set $config "controller.listener.names" (upper $values.listeners.controller.name) -}}
{{- if include "barnabas.serves" . -}}
{{- $_ := set $config "advertised.listeners" (include "barnabas.advertised" .) -}}
{{- $_ := set $config "inter.broker.listener.name" (upper $values.listeners.interbroker.name) -}}
{{- end -}}
{{- $_ := set $config "log.dirs" (printf "%s/data" $pool.persistence.mountPath) -}}
{{- if eq (int $values.kraftVersion) 0 -}}
{{- $_ := set $config "controller.quorum.voters" (include "barnabas.controllers" .) -}}
{{- else -}}
{{- $_ := set $config "controller.quorum.bootstrap.servers" (include "barnabas.controllers" .) -}}
{{- $_ := set $config "controller.quorum.auto.join.enable" (eq .role "controller") -}}
{{- end -}}
{{- $brokers := int (include "barnabas.brokerCount" .context) -}}
{{- $_ := set $config "default.replication.factor" (min (int $values.defaultReplicationFactor) (max 1 $brokers)) -}}
{{- if lt $brokers 3 -}}
{{- $_ := set $config "offsets.topic.replication.factor" (max 1 $brokers) -}}
{{- end -}}
{{- if and (ge $brokers (int $values.defaultReplicationFactor)) (gt (int $values.defaultMinInsyncReplicas) 1) -}}
{{- $_ := set $config "min.insync.replicas" (int $values.defaultMinInsyncReplicas) -}}
{{- end -}}
{{- end -}}
{{- range list $values.overrideConfiguration $pool.overrideConfiguration -}}
{{- $config = mustMergeOverwrite $config (deepCopy .) -}}
{{- end -}}
{{- range concat $values.extraEnvVars $pool.extraEnvVars -}}
{{- if and (hasPrefix "KAFKA_CFG_" .name) (hasKey . "value") -}}
{{- $key := trimPrefix "KAFKA_CFG_" .name | lower | replace "___" "-" | replace "__" "%" | replace "_" "." | replace "%" "_" -}}
{{- $_ := set $config $key .value -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{- define "barnabas.properties" -}}
{{- range $key, $value := include "barnabas.config" . | fromYaml }}
{{ $key }}={{ include "barnabas.scalar" (dict "value" $value "context" $.context) }}
{{- end }}
{{- end -}}

{{/* Hosts and ports that clients outside are told, as lines of sh that set host and port. */}}
{{- define "barnabas.externalAddress" -}}
{{- $service := (get .context.Values.externalAccess .role).service -}}
{{- $hosts := list -}}
{{- if $service.loadBalancerNames -}}{{- $hosts = $service.loadBalancerNames -}}
{{- else if $service.loadBalancerIPs -}}{{- $hosts = $service.loadBalancerIPs -}}
{{- else if $service.externalIPs -}}{{- $hosts = $service.externalIPs -}}
{{- end -}}
{{- $discovered := and .context.Values.defaultInitContainers.autoDiscovery.enabled (eq $service.type "NodePort") }}
{{- if $service.useHostIPs }}
external_host=$HOST_IP
{{- else if $service.usePodIPs }}
external_host=$POD_IP
{{- else if $service.domain }}
external_host={{ tpl $service.domain .context | squote }}
{{- else if $discovered }}
external_host=$HOST_IP
{{- else }}
set -- {{ join " " $hosts }}
shift "$ordinal"
external_host=$1
{{- end }}
{{- if eq $service.type "NodePort" }}
set -- {{ join " " $service.nodePorts }}
shift "$ordinal"
external_port=$1
{{- else if eq $service.type "ClusterIP" }}
external_port=$(({{ int $service.ports.external }} + ordinal))
{{- else }}
external_port={{ int $service.ports.external }}
{{- end }}
{{- end -}}

{{/* sh that sets rack. */}}
{{- define "barnabas.rack" -}}
{{- $rack := .Values.brokerRackAwareness }}

# ask PATH HEADER...: of the cloud's metadata service, in HTTP since AWS wants PUT.
metadata=169.254.169.254
ask() {
    method=$1 path=$2
    shift 2
    {
        printf '%s %s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n' "$method" "$path" "$metadata"
        [ $# -eq 0 ] || printf '%s\r\n' "$@"
        printf '\r\n'
    } | nc -w 10 "$metadata" 80 | tr -d '\r' | sed -n '1{/^HTTP[^ ]* 200/!q}; 1,/^$/d; p'
}
{{- if eq $rack.cloudProvider "aws-az" }}
token=$(ask PUT /latest/api/token 'X-aws-ec2-metadata-token-ttl-seconds: 60')
rack=$(ask GET /latest/meta-data/placement/availability-zone-id "X-aws-ec2-metadata-token: $token")
{{- else if eq $rack.cloudProvider "azure" }}
compute='/metadata/instance/compute'
version='api-version={{ $rack.azureApiVersion }}&format=text'
location=$(ask GET "$compute/location?$version" 'Metadata: true')
zone=$(ask GET "$compute/zone?$version" 'Metadata: true')
rack=${location:+${zone:+$location-$zone}}
{{- else }}
rack=$POD_ZONE
{{- end }}
if [ -z "$rack" ]; then
    echo 'brokerRackAwareness: {{ ternary "the pod has no label topology.kubernetes.io/zone" "the metadata service does not say the zone" (eq $rack.cloudProvider "") }}' >&2
    exit 1
fi
{{- end -}}

{{/* What runs before the broker: its server.properties, and directories that know their cluster. */}}
{{- define "barnabas.prepare" -}}
{{- $values := .context.Values -}}
{{- $pool := get $values .role -}}
set -eu
ordinal=${POD_NAME##*-}
node_id=$((ordinal + {{ int $pool.minId }}))
pod_host=$POD_NAME.{{ include "barnabas.domain" . }}
external=
{{- if include "barnabas.exposed" . }}
{{- include "barnabas.externalAddress" . }}
external=$external_host:$external_port
{{- end }}
{{- if and $values.brokerRackAwareness.enabled (include "barnabas.serves" .) }}
{{- include "barnabas.rack" .context }}
{{- end }}

# fill FILE: its lines, with the addresses of this pod.
fill() {
    while IFS= read -r line || [ -n "$line" ]; do
        for pair in "advertised-address-placeholder=$pod_host" "external-address-placeholder=$external"; do
            while [ "${line#*"${pair%%=*}"}" != "$line" ]; do
                line=${line%%"${pair%%=*}"*}${pair#*=}${line#*"${pair%%=*}"}
            done
        done
        printf '%s\n' "$line"
    done <"$1"
}

# Variables of ConfigMaps and Secrets are known here only: as in Bitnami's image they win.
variables() {
    env | sed -n 's/^KAFKA_CFG_//p' | while IFS= read -r line; do
        key=$(printf '%s' "${line%%=*}" | tr A-Z a-z | sed 's/___/-/g; s/__/%/g; s/_/./g; s/%/_/g')
        printf '%s=%s\n' "$key" "${line#*=}"
    done
}

config=/config/server.properties
{
    fill /configmaps/server.properties
    if [ -f /secret-config/server-secret.properties ]; then
        fill /secret-config/server-secret.properties
    fi
    variables
    {{- if and $values.brokerRackAwareness.enabled (include "barnabas.serves" .) }}
    printf 'broker.rack=%s\n' "$rack"
    {{- end }}
    printf 'node.id=%s\n' "$node_id"
    printf 'metrics.listener=0.0.0.0:{{ int $values.metrics.jmx.containerPorts.metrics }}\n'
} >"$config"
{{- with $values.defaultInitContainers.prepareConfig.extraInit }}
{{ tpl . $.context }}
{{- end }}
{{- if and (eq .role "controller") (ne (int $values.kraftVersion) 0) }}

# Directory ids of Bitnami's chart are 22 letters at random: Kafka drops the last four bits.
id_of() {
    id=$(cat "/kraft/controller-$1-id")
    case $id in
    *[A-P]) id=${id%?}A ;;
    *[Q-Za-f]) id=${id%?}Q ;;
    *[g-v]) id=${id%?}g ;;
    *) id=${id%?}w ;;
    esac
    printf '%s' "$id"
}

# A node whose disk is new is a first controller only while there is no quorum: later it joins as a
# new voter, which takes the place of the one whose disk was lost.
others=
voters=
{{- range $i := until (int $values.controller.replicaCount) }}
host={{ include "barnabas.pool" $ }}-{{ $i }}.{{ include "barnabas.domain" $ }}
voters=$voters,{{ add $i (int $values.controller.minId) }}@$host:{{ int $values.listeners.controller.containerPort }}:$(id_of {{ $i }})
[ "$ordinal" = {{ $i }} ] || others=$others,$host:{{ int (ternary $values.listeners.controller.containerPort $values.listeners.client.containerPort $values.controller.controllerOnly) }}
{{- end }}
if [ -n "$others" ] && barnabasctl quorum "${others#,}" >/dev/null 2>&1; then
    set -- --no-initial-controllers
else
    set -- --initial-controllers "${voters#,}"
fi
{{- else if ne (int $values.kraftVersion) 0 }}
set -- --no-initial-controllers
{{- else }}
set --
{{- end }}
barnabasctl format --config "$config" --cluster-id "$(cat /kraft/cluster-id)" --ignore-formatted "$@"
{{- end -}}
