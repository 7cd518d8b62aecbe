#!/bin/sh
# What an admin's shell does today: one curl a task. Ids are counted up from the first.
# usage: curl.sh ORIGIN FIRST_ID HOW_MANY
i=0
while [ "$i" -lt "$3" ]; do
    curl --silent --show-error --fail --noproxy '*' -u bench:secret -o /dev/null -X PUT \
        -H 'Content-Type: application/json' -H 'X-Requested-By: curl' \
        -d '{"action":"retry"}' \
        "$1/iam/governance/selfservice/api/v1/provtasks/$(($2 + i))" || exit 1
    i=$((i + 1))
done
