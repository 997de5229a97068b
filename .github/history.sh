#!/usr/bin/env bash
# The history of a profile, as the newest night that has one left it, into a folder.
#
#   bash .github/history.sh PROFILE FOLDER
#
# Only nights that the schedule began, of this repository and branch, count. What is in the folder already stays. A
# history that is there and cannot be had is an error: without it the next one would begin anew.
set -euo pipefail
name=history-$1 folder=$2

mkdir -p "$folder"
runs=$(gh run list --repo "$GITHUB_REPOSITORY" --workflow nightly.yml --event schedule --branch "$GITHUB_REF_NAME" \
  --limit 30 --json databaseId --jq '.[].databaseId')
for run in $runs; do
  artifacts="repos/$GITHUB_REPOSITORY/actions/runs/$run/artifacts?name=$name"
  if [ "$(gh api "$artifacts" --jq '[.artifacts[] | select(.expired | not)] | length')" != 0 ]; then
    earlier=$(mktemp -d)  # empty: gh gives up at the first file that is there already
    gh run download "$run" --repo "$GITHUB_REPOSITORY" --name "$name" --dir "$earlier"
    cp -R "$earlier/." "$folder/"
    rm -rf "$earlier"
    echo "history of run $run"
    exit 0
  fi
done
echo "::warning title=No history::No earlier night has left a $name."
