{{/* What cannot be honoured without weakening a cluster ends the rendering, all reasons at once. */}}
{{- define "barnabas.refuse" -}}
{{- $v := .Values -}}
{{- $no := list -}}
{{- $later := "Barnabas has no TLS and no SASL yet; a cluster that needs them has to stay with Apache Kafka for now" -}}

{{- range $name, $listener := omit $v.listeners "extraListeners" "overrideListeners" "advertisedListeners" "securityProtocolMap" -}}
{{- if not (has (upper $listener.protocol) (list "" "PLAINTEXT")) -}}
{{- $no = append $no (printf "listeners.%s.protocol is %s: %s. PLAINTEXT is open to all who reach the port" $name $listener.protocol $later) -}}
{{- end -}}
{{- if $listener.sslClientAuth -}}
{{- $no = append $no (printf "listeners.%s.sslClientAuth is set: %s" $name $later) -}}
{{- end -}}
{{- end -}}
{{- range $v.listeners.extraListeners -}}
{{- if not (has (upper (.protocol | default "")) (list "" "PLAINTEXT")) -}}
{{- $no = append $no (printf "listeners.extraListeners asks for %s: %s" .protocol $later) -}}
{{- end -}}
{{- end -}}
{{- if regexMatch "(?i):(SASL|SSL)" $v.listeners.securityProtocolMap -}}
{{- $no = append $no (printf "listeners.securityProtocolMap asks for SASL or SSL: %s" $later) -}}
{{- end -}}

{{- if or $v.sasl.existingSecret $v.sasl.client.passwords $v.sasl.interbroker.password $v.sasl.controller.password $v.sasl.interbroker.clientSecret $v.sasl.controller.clientSecret (ne (toJson $v.sasl.client.users) (toJson (list "user1"))) -}}
{{- $no = append $no (printf "sasl has users, passwords or a Secret: %s; remove sasl from the values if clients need not authenticate" $later) -}}
{{- end -}}
{{- $tls := $v.tls -}}
{{- if or $tls.existingSecret $tls.passwordsSecret $tls.keystorePassword $tls.truststorePassword $tls.keyPassword $tls.jksTruststoreSecret $v.provisioning.auth.tls.certificatesSecret -}}
{{- $no = append $no (printf "tls has certificates or passwords: %s; remove tls from the values if connections need not be encrypted" $later) -}}
{{- end -}}
{{- $passwords := printf "%s-user-passwords" (include "barnabas.fullname" .) -}}
{{- if and (not $v.listeners.client.protocol) (lookup "v1" "Secret" (include "barnabas.namespace" .) $passwords) -}}
{{- $no = append $no (printf "the release has the Secret %s, so its clients authenticated until now: %s; to go on without, write listeners.client.protocol=PLAINTEXT (and controller, interbroker, external)" $passwords $later) -}}
{{- end -}}

{{- range $role := list "controller" "broker" -}}
{{- $pool := get $v $role -}}
{{- range $key, $value := include "barnabas.config" (dict "context" $ "role" $role) | fromYaml -}}
{{- if or (regexMatch "^(ssl|sasl|listener\\.name)\\." $key) (has $key (list "authorizer.class.name" "super.users" "security.inter.broker.protocol")) -}}
{{- if not (and (eq $key "security.inter.broker.protocol") (eq (toString $value) "PLAINTEXT")) -}}
{{- $no = append $no (printf "the configuration of %ss sets %s: %s" $role $key $later) -}}
{{- end -}}
{{- end -}}
{{- if has $key (list "node.id" "broker.id") -}}
{{- $no = append $no (printf "the configuration of %ss sets %s: all its pods would be the same node; the ordinal and %s.minId decide" $role $key $role) -}}
{{- end -}}
{{- end -}}
{{- if $pool.autoscaling.hpa.enabled -}}
{{- $no = append $no (printf "%s.autoscaling.hpa.enabled: pods that come and go by themselves take voters and data along; set replicaCount" $role) -}}
{{- end -}}
{{- if and $pool.persistence.existingClaim (gt (int $pool.replicaCount) 1) -}}
{{- $no = append $no (printf "%s.persistence.existingClaim is one volume for %d nodes; leave it empty so that each has its own" $role (int $pool.replicaCount)) -}}
{{- end -}}
{{- if ne $pool.podManagementPolicy "Parallel" -}}
{{- $no = append $no (printf "%s.podManagementPolicy is %s: the first node would wait for a majority that is not started; it has to be Parallel" $role $pool.podManagementPolicy) -}}
{{- end -}}
{{- if $pool.hostNetwork -}}
{{- $no = append $no (printf "%s.hostNetwork: a pod's name in DNS would be its host's; not supported" $role) -}}
{{- end -}}
{{- if and (include "barnabas.exposed" (dict "context" $ "role" $role)) (gt (int $pool.replicaCount) 0) -}}
{{- $no = concat $no (include "barnabas.refuseExternal" (dict "context" $ "role" $role) | fromJsonArray) -}}
{{- end -}}
{{- $old := lookup "apps/v1" "StatefulSet" (include "barnabas.namespace" $) (include "barnabas.pool" (dict "context" $ "role" $role)) -}}
{{- if and $old (eq $role "controller") (lt (int $pool.replicaCount) (int $old.spec.replicas)) (not $v.controller.allowScaleIn) -}}
{{- $no = append $no (printf "controller.replicaCount goes from %d to %d: voters that are gone are still counted; remove them (kafka-metadata-quorum remove-controller) and their replicas first, then set controller.allowScaleIn=true" (int $old.spec.replicas) (int $pool.replicaCount)) -}}
{{- end -}}
{{- end -}}

{{- if and (eq (int $v.controller.replicaCount) 0) (not $v.controller.quorumBootstrapServers) -}}
{{- $no = append $no "controller.replicaCount is 0: without controllers there is no cluster; or name those of another in controller.quorumBootstrapServers" -}}
{{- end -}}
{{- if and (gt (int $v.controller.replicaCount) 0) (eq (mod (int $v.controller.replicaCount) 2) 0) -}}
{{- $no = append $no (printf "controller.replicaCount is %d: an even number of voters survives no more than one less, and fails more often" (int $v.controller.replicaCount)) -}}
{{- end -}}
{{- if eq (int (include "barnabas.brokerCount" .)) 0 -}}
{{- $no = append $no "there is no broker: controller.controllerOnly is set and broker.replicaCount is 0" -}}
{{- end -}}
{{- if and $v.clusterId (not (regexMatch "^[A-Za-z0-9_-]{22}$" $v.clusterId)) -}}
{{- $no = append $no (printf "clusterId %s is not 22 characters of URL-safe base64 (barnabasctl random-uuid makes one)" $v.clusterId) -}}
{{- end -}}
{{- if and $v.brokerRackAwareness.enabled (not (has $v.brokerRackAwareness.cloudProvider (list "" "aws-az" "azure"))) -}}
{{- $no = append $no (printf "brokerRackAwareness.cloudProvider is %s: zones are known of aws-az, azure, and by the pods' label topology.kubernetes.io/zone (empty)" $v.brokerRackAwareness.cloudProvider) -}}
{{- end -}}
{{- if regexMatch "(?i)(bitnami|apache/kafka|cp-kafka|strimzi)" $v.image.repository -}}
{{- $no = append $no (printf "image.repository is %s, an image of Apache Kafka; remove image from the values" $v.image.repository) -}}
{{- end -}}
{{- if regexMatch "debian-1[0-9]" (toString $v.image.tag) -}}
{{- $no = append $no (printf "image.tag is %s, of an image of Apache Kafka; remove image from the values" $v.image.tag) -}}
{{- end -}}
{{- with $v.provisioning -}}
{{- $brokers := int (include "barnabas.brokerCount" $) -}}
{{- if .enabled -}}
{{- range .topics -}}
{{- if gt (int (default $v.provisioning.replicationFactor .replicationFactor)) $brokers -}}
{{- $no = append $no (printf "provisioning.topics: %s wants %d replicas of %d brokers" .name (int (default $v.provisioning.replicationFactor .replicationFactor)) $brokers) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- range $old, $new := include "barnabas.oldKeys" . | fromYaml -}}
{{- if hasKey $v $old -}}
{{- $no = append $no (printf "%s is a key of Bitnami charts before 32: %s" $old $new) -}}
{{- end -}}
{{- end -}}

{{- if $no -}}
{{- fail (printf "\n\nThese values cannot be honoured:\n  - %s\n" (join "\n  - " (uniq $no))) -}}
{{- end -}}
{{- end -}}

{{/* What has gone from Bitnami's chart, and what there is instead. */}}
{{- define "barnabas.oldKeys" -}}
replicaCount: it is controller.replicaCount
auth: it is listeners.*.protocol and sasl
kraft: it is controller.* and clusterId
zookeeper: there is no ZooKeeper in Kafka 4
externalZookeeper: there is no ZooKeeper in Kafka 4
zookeeperConnect: there is no ZooKeeper in Kafka 4
persistence: it is controller.persistence
extraConfig: it is overrideConfiguration
minBrokerId: it is controller.minId and broker.minId
brokerIdCommand: node ids are the pods' ordinals
numPartitions: it is overrideConfiguration, num.partitions
offsetsTopicReplicationFactor: it is overrideConfiguration, offsets.topic.replication.factor
logRetentionHours: it is overrideConfiguration, log.retention.hours
logRetentionBytes: it is overrideConfiguration, log.retention.bytes
logSegmentBytes: it is overrideConfiguration, log.segment.bytes
maxMessageBytes: it is overrideConfiguration, message.max.bytes
autoCreateTopicsEnable: it is overrideConfiguration, auto.create.topics.enable
deleteTopicEnable: it is overrideConfiguration, delete.topic.enable
allowPlaintextListener: every listener is plaintext
resources: it is controller.resources and broker.resources
nodeSelector: it is controller.nodeSelector and broker.nodeSelector
tolerations: it is controller.tolerations and broker.tolerations
affinity: it is controller.affinity and broker.affinity
{{- end -}}

{{- define "barnabas.refuseExternal" -}}
{{- $no := list -}}
{{- $at := printf "externalAccess.%s.service" .role -}}
{{- $service := (get .context.Values.externalAccess .role).service -}}
{{- $count := int (get .context.Values .role).replicaCount -}}
{{- range $key := list "loadBalancerIPs" "loadBalancerNames" "loadBalancerAnnotations" "nodePorts" "externalIPs" -}}
{{- $list := get $service $key -}}
{{- if and $list (lt (len $list) $count) -}}
{{- $no = append $no (printf "%s.%s has %d entries for %d pods" $at $key (len $list) $count) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $service.type "NodePort") (not $service.nodePorts) -}}
{{- $no = append $no (printf "%s.nodePorts is empty: give each pod its port, clients are told it" $at) -}}
{{- end -}}
{{- $discovered := and .context.Values.defaultInitContainers.autoDiscovery.enabled (eq $service.type "NodePort") -}}
{{- if not (or $discovered $service.useHostIPs $service.usePodIPs $service.domain $service.loadBalancerNames $service.loadBalancerIPs $service.externalIPs) -}}
{{- $no = append $no (printf "%s says nothing of the addresses that clients are told: set loadBalancerNames, loadBalancerIPs, externalIPs, domain or useHostIPs (nothing is discovered, defaultInitContainers.autoDiscovery or not)" $at) -}}
{{- end -}}
{{- toJson $no -}}
{{- end -}}
