#!/bin/sh
# Uploads what stands at the node to Microsoft Sentinel, when it has changed: for nodes
# that Azure cannot reach. Run it every few minutes from a timer, with
#   NODE          where the node is, such as http://127.0.0.1:7801
#   NODE_TOKEN    file with a token of the node
#   WORKSPACE     id of the Log Analytics workspace
#   AZURE_TOKEN   file with an access token for https://management.azure.com
# in the environment.
set -eu
: "${NODE:=http://127.0.0.1:7801}" "${TIER:=alert}" "${STATE:=.}" "${PAUSE:=1}"
: "${UPLOAD:=https://api.ti.sentinel.azure.com}"
target="$UPLOAD/workspaces/$WORKSPACE/threat-intelligence-stix-objects:upload?api-version=2024-02-01-preview"
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Secrets go by files: a command line is for everybody on the host to see.
printf 'header = "Authorization: Bearer %s"\n' "$(cat "$NODE_TOKEN")" >"$work/node"
printf 'header = "Authorization: Bearer %s"\n' "$(cat "$AZURE_TOKEN")" >"$work/azure"

touch "$STATE/sentinel.etag"
curl -fsS --max-time 300 -K "$work/node" --etag-compare "$STATE/sentinel.etag" --etag-save "$work/etag" \
	-o "$work/feed" "$NODE/feeds/sentinel?tier=$TIER"
if [ ! -s "$work/feed" ]; then
	echo unchanged
	exit 0
fi
n=0
while IFS= read -r body; do # a request a line, of at most 100 indicators
	printf '%s' "$body" | curl -fsS --max-time 60 --retry 5 -K "$work/azure" -H 'Content-Type: application/json' --data-binary @- -o /dev/null "$target"
	n=$((n + 1))
	sleep "$PAUSE" # Sentinel takes 100 requests a minute
done <"$work/feed"
mv "$work/etag" "$STATE/sentinel.etag" # only now: what failed is sent again
echo "requests: $n"
