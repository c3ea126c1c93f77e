#!/bin/sh
# Push an event with a token:   publish.sh kittens '{"title": "Look!"}'
set -eu

curl --silent --show-error --fail-with-body \
    --header "Authorization: Bearer ${PUSH_TOKEN:-kitten-token}" \
    --header "Content-Type: application/json" \
    --data-binary "{\"topic\": \"$1\", \"event\": $2}" \
    "${PUSH_URL:-http://localhost:8080/publish}"
