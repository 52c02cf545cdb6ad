{{- define "connector.name" -}}
{{- printf "%s-%s" .root.Release.Name .service | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "connector.labels" -}}
app.kubernetes.io/name: connector
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end -}}

{{- define "connector.selector" -}}
app.kubernetes.io/name: connector
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end -}}

{{- define "connector.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "connector.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "connector.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "connector.databaseEnv" -}}
- name: DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ .Values.database.urlSecret }}, key: url}}
- name: CONNECTOR_POOL_SIZE
  value: {{ .Values.database.poolSize | quote }}
- name: CONNECTOR_KEY_RING_LOCATION
  value: dir:/etc/key-ring
{{- with .Values.publicBaseUrl }}
- name: PUBLIC_BASE_URL
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "connector.kafkaEnv" -}}
{{- with .Values.kafka -}}
- name: KAFKA_BOOTSTRAP_SERVERS
  value: {{ required "kafka.bootstrapServers is needed" .bootstrapServers | quote }}
- name: KAFKA_TOPIC_PREFIX
  value: {{ .topicPrefix | quote }}
- name: KAFKA_GROUP_PREFIX
  value: {{ .groupPrefix | quote }}
- name: KAFKA_REPLICATION_FACTOR
  value: {{ .replicationFactor | quote }}
- name: KAFKA_MIN_INSYNC_REPLICAS
  value: {{ .minInsyncReplicas | quote }}
- name: KAFKA_SECURITY_PROTOCOL
  value: {{ .securityProtocol | quote }}
{{- if .saslSecret }}
- name: KAFKA_SASL_MECHANISM
  value: {{ .saslMechanism | quote }}
- name: KAFKA_SASL_USERNAME
  valueFrom: {secretKeyRef: {name: {{ .saslSecret }}, key: username}}
- name: KAFKA_SASL_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .saslSecret }}, key: password}}
{{- end }}
{{- if .tlsSecret }}
- name: KAFKA_SSL_CA_LOCATION
  value: /etc/kafka/ca.crt
{{- if .tlsClientCertificate }}
- name: KAFKA_SSL_CERTIFICATE_LOCATION
  value: /etc/kafka/tls.crt
- name: KAFKA_SSL_KEY_LOCATION
  value: /etc/kafka/tls.key
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "connector.mounts" -}}
- {name: key-ring, mountPath: /etc/key-ring, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if .Values.database.caSecret }}
- {name: database-ca, mountPath: /etc/database, readOnly: true}
{{- end }}
{{- if .Values.kafka.tlsSecret }}
- {name: kafka-tls, mountPath: /etc/kafka, readOnly: true}
{{- end }}
{{- end -}}

{{- define "connector.volumes" -}}
- name: key-ring
  secret: {secretName: {{ .Values.vault.keyRingSecret }}, defaultMode: 0440}
- name: tmp
  emptyDir: {}
{{- if .Values.database.caSecret }}
- name: database-ca
  secret: {secretName: {{ .Values.database.caSecret }}}
{{- end }}
{{- if .Values.kafka.tlsSecret }}
- name: kafka-tls
  secret: {secretName: {{ .Values.kafka.tlsSecret }}, defaultMode: 0440}
{{- end }}
{{- end -}}
