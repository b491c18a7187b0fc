#!/bin/sh
# publish.sh URL TOKEN POOL REPO/ITEM FILE…: publishes files that lie in the item's directory, each as the tag of its own
# name, and says of each what came of it. The item is made, for everybody, where there is none. TOKEN is a file with a token
# of the account, or of scope `hub`. Needs curl and jq.
#
#   curl -su alice http://127.1:8606/api/ | jq -r .data.token > alice.token
#   sh publish.sh http://127.1:8606 alice.token weather weather/rain rain-01.csv rain-02.csv
set -eu
api=$1/api token=$2 pool=$3 item=$4; shift 4

ask() {
    curl -sS -H "Authorization: Token $(cat "$token")" "$@"
}
# The answer's data, or its message and an end.
data() {
    jq -e 'if .code == 0 then .data else ("\(.msg)\n" | halt_error(1)) end'
}

if [ "$(ask -o /dev/null -w '%{http_code}' "$api/repositories/$item")" = 404 ]; then
    body=$(jq -n --arg pool "$pool" '{datapool: $pool, itemaccesstype: "public"}')
    ask "$api/repositories/$item" -d "$body" | data > /dev/null
fi
for file; do
    tag=$(basename -- "$file")
    path="$api/repositories/$item/$(printf %s "$tag" | jq -sRr @uri)"
    body=$(jq -n --arg file "$tag" '{detail: $file, replace: true}')
    shown=$(ask "$path" -d "$body" | data)
    # A large file is read by a job.
    id=$(printf %s "$shown" | jq -r '.job.id // empty')
    while [ "$id" ] && [ "$(ask "$api/job/$id" | data | jq -r '.[0].stat')" = verifying ]; do sleep 1; done
    ask "$path" | data | jq -r --arg name "$item:$tag" '"\($name) \(.status) \(.size) \(.sha256)"'
done
