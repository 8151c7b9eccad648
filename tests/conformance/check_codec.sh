#!/bin/sh
# Round trips of random messages through Kafka's own Java classes, byte for byte.
#
#   check_codec.sh MESSAGE_SAMPLES [JAR]      or KAFKA_CLIENTS_JAR=JAR
#
# MESSAGE_SAMPLES is the built program; the seed is in SEED (default: 1). Exits with 77 (skipped)
# without the jar or without java and javac.
set -eu
samples=$1
jar=${2:-${KAFKA_CLIENTS_JAR:-}}
here=$(dirname "$0")
if [ ! -f "$jar" ] || ! command -v javac >/dev/null || ! command -v java >/dev/null; then
  echo "skipped: needs java, javac and the path of kafka-clients-4.x.jar (KAFKA_CLIENTS_JAR)"
  exit 77
fi
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
path="$(dirname "$jar")/*"
javac -cp "$path" -d "$classes" "$here/MessageEcho.java"
"$samples" "${SEED:-1}" "${ROUNDS:-20}" >"$classes/samples"
java -Xmx512m -cp "$classes:$path" MessageEcho <"$classes/samples"
