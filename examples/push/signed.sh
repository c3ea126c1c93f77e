#!/bin/sh
# Push an event with a signature:   signed.sh kittens '{"title": "Look!"}'
set -eu

body="{\"topic\": \"$1\", \"event\": $2}"
time=$(date +%s.%N)
signature=$(printf '%s\n%s' "$time" "$body" |
    openssl dgst -sha256 -hmac "${PUSH_SECRET:-kitten secret}" -r | cut -d ' ' -f 1)

curl --silent --show-error --fail-with-body \
    --header "Ratchet-Timestamp: $time" \
    --header "Ratchet-Signature: $signature" \
    --header "Content-Type: application/json" \
    --data-binary "$body" \
    "${PUSH_URL:-http://localhost:8080/publish}"
