#!/bin/sh
# Sends a signed event that names tasks to provtaskd:
#
#   send.sh SECRET_FILE URL TASK...
#   send.sh intake-secret http://127.0.0.1:9465/v1/tasks 4711 4712
#
# Needs openssl and curl. The secret is read from its file; of two lines the first one signs. The key
# of the code has to be given to openssl as an argument: run this where other users can't see
# arguments (hidepid), or sign with a library (see TaskEventHandler.java).
set -eu
[ $# -ge 3 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 64; }
secret=$1 url=$2
shift 2

key=$(head -n 1 "$secret" | sed 's/^whsec_//' | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
body='{"tasks":['
comma=''
for task in "$@"; do
    body="$body$comma\"$task\""
    comma=','
done
body="$body]}"
# the same id for each repetition of the same event
id="msg_$(openssl rand -hex 16)"

for try in 1 2 3 4 5; do
    at=$(date +%s)
    code=$(printf '%s.%s.%s' "$id" "$at" "$body" |
        openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)
    status=$(printf '%s' "$body" | curl --silent --max-time 15 --output /dev/stderr --write-out '%{http_code}' \
        --header 'Content-Type: application/json' --header 'Expect:' \
        --header "webhook-id: $id" --header "webhook-timestamp: $at" --header "webhook-signature: v1,$code" \
        --data-binary @- "$url") || status=000
    echo >&2
    case $status in
        2??) exit 0 ;;
        000 | 429 | 503) sleep $((try * 2)) ;;
        *) exit 1 ;;
    esac
done
exit 75
