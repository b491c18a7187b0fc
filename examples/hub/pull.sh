#!/bin/sh
# pull.sh ENTRY REPO/ITEM TAG FILE [CURL-OPTION…]: gets what another host publishes, with nothing but curl: resumes what
# was broken off, compares, and puts the file in place whole or not at all. `hostler data pull` does that and more.
#
#   sh pull.sh http://198.51.100.7:35800 weather/rain rain-01.csv rain-01.csv
#   sh pull.sh http://198.51.100.7:35800 weather/secret v1 v1.csv -H "Authorization: Token $(cat alice.token)"
set -eu
url=$1/pull/$2/$3 file=$4; shift 4

# The part is named after what it should become: of a file that has changed in between, nothing is taken.
sum=$(curl -fsSI "$@" "$url" | tr -d '\r' | sed -n 's/^x-source-sha256: //Ip')
part=$file.${sum:?the source does not say what the file should be}.part
is_whole() {
    [ -e "$part" ] && printf '%s  %s\n' "$sum" "$part" | sha256sum -c --status -
}
is_whole || curl -fsS -C - "$@" -o "$part" "$url"
is_whole || { rm -f -- "$part"; echo "$url: what has come is not what it should be" >&2; exit 1; }
mv -- "$part" "$file"
