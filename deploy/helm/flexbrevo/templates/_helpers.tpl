{{- define "flexbrevo.name" -}}
{{- printf "%s" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- define "flexbrevo.selector" -}}
app.kubernetes.io/name: flexbrevo
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
{{- define "flexbrevo.labels" -}}
{{ include "flexbrevo.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}
