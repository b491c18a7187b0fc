#!/bin/sh
# preheat.sh URL TOKEN BODY: fetches what BODY names into the cache of the daemon at URL, and says of each address what
# came of it. TOKEN is a file with a token of scope `job`. Needs curl and jq.
#
#   hostler token create --scope job --expires 90d > ci.token
#   sh preheat.sh http://127.1:8606 ci.token examples/cache/preheat.json
set -eu
api=$1/oapi/v1/jobs token=$2 body=$3

ask() {
    curl -fsS -H "Authorization: Bearer $(cat "$token")" "$@"
}

id=$(ask "$api" -d "@$body" | jq .id)
while job=$(ask "$api/$id?wait=30s"); do
    [ "$(printf '%s' "$job" | jq -r .state)" = PENDING ] || break
done
printf '%s' "$job" | jq -r '
    .result.job_states[] |
    (.results[]? |
        (.success_tasks[] | "cached \(.url)"),
        (.failure_tasks[] | "failed \(.url): \(.description)")),
    (select(.error != "") | "error  \(.error)")'
printf '%s' "$job" | jq -e '
    .state == "SUCCESS" and ([.result.job_states[].results[]?.failure_tasks[]] | length == 0)' > /dev/null
