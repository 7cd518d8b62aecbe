#!/bin/sh
# Sends a signed event that names tasks to provtaskd:
#
#   send.sh SECRET_FILE URL TASK...
#   send.sh intake-secret http://127.0.0.1:9465/v1/tasks 4711 4712
#
# Needs python3 and curl. The secret is read from its file, and stands in no argument; of two lines the
# first one signs.
set -eu
[ $# -ge 3 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 64; }
secret=$1 url=$2
shift 2

sign='
import base64, hashlib, hmac, sys
key = open(sys.argv[1]).readline().strip()
key = base64.b64decode(key[6:] if key.startswith("whsec_") else key)
code = hmac.new(key, sys.stdin.buffer.read(), hashlib.sha256).digest()
print(base64.b64encode(code).decode())
'
body='{"tasks":['
comma=''
for task in "$@"; do
    body="$body$comma\"$task\""
    comma=','
done
body="$body]}"
# the same id for each repetition of the same event
id="msg_$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"

nl='
'

for try in 1 2 3 4 5; do
    at=$(date +%s)
    code=$(printf '%s.%s.%s' "$id" "$at" "$body" |
        python3 -c "$sign" "$secret")
    # the last line is the status; what stands before it is appended to wherever messages go, whatever that is
    answer=$(printf '%s' "$body" | curl --silent --max-time 15 --write-out '\n%{http_code}' \
        --header 'Content-Type: application/json' --header 'Expect:' \
        --header "webhook-id: $id" --header "webhook-timestamp: $at" --header "webhook-signature: v1,$code" \
        --data-binary @- "$url") || answer=${nl}000
    status=${answer##*"$nl"}
    printf '%s\n' "${answer%"$nl"*}" >&2
    case $status in
        2??) exit 0 ;;
        000 | 429 | 503) sleep $((try * 2)) ;;
        *) exit 1 ;;
    esac
done
exit 75
