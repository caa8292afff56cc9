#!/bin/sh
# Serve on all addresses of the container. The token comes from UOIS_SAM_TOKEN or TOKEN_FILE; the server refuses to start
# without one. Arguments are those of "uois-sam serve".
set -eu
[ -z "${TOKEN_FILE:-}" ] || set -- --token-file "$TOKEN_FILE" "$@"
exec uois-sam serve --host "${HOST:-0.0.0.0}" --port "${PORT:-8000}" "$@"
