# syntax=docker/dockerfile:1
# A static binary, the certificate authorities and nothing else. `docker build --build-arg VERSION=v1.2.3 --build-arg COMMIT="$(git rev-parse HEAD)" .`
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
ARG COMMIT=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" -o /out/flexbrevo ./cmd/flexbrevo \
 && mkdir /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/flexbrevo /usr/local/bin/flexbrevo
# The one place that is written to: connector.yaml, the encrypted secrets and, without PostgreSQL, the store.
COPY --from=build --chown=65532:65532 /out/data /data
VOLUME ["/data"]
WORKDIR /data
USER 65532:65532
ENV FLEXBREVO_CONFIG=/data/connector.yaml SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
EXPOSE 8080 8081
# flexbrevo starts no processes, so it may be PID 1; SIGTERM ends it within 25 seconds.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/flexbrevo"]
CMD ["run"]
