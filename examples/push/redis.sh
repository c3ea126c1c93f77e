#!/bin/sh
# Push an event straight to Redis:   redis.sh kittens '{"title": "Look!"}'
set -eu

redis-cli -u "${REDIS_URL:-redis://localhost:6379}" \
    PUBLISH "ratchet:/pubsub:$1" "{\"event\": $2}"
