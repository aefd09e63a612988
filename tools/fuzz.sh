#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs every fuzz target of a build folder for some seconds. A finding is kept in FOLDER/findings and ends the run.
# Usage: tools/fuzz.sh FOLDER SECONDS
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
seconds=$2
count=0
mkdir -p "$build/findings"
for source in tests/fuzz/fuzz_*.c; do
    [ -e "$source" ] || continue
    name=$(basename "$source" .c)
    # What was learnt stays in the build folder; seeds, where a target has any, are checked in.
    corpus=("$build/corpus/$name")
    mkdir -p "${corpus[0]}"
    [ -d "tests/fuzz/seeds/$name" ] && corpus+=("tests/fuzz/seeds/$name")
    log=$build/$name.log
    if ! UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$build/tests/fuzz/$name" -max_total_time="$seconds" \
        -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$build/findings/$name-" \
        "${corpus[@]}" >"$log" 2>&1; then
        tail -n 60 "$log"
        echo "error: $name found something: see $log and $build/findings"
        exit 1
    fi
    printf '%-24s %12s runs in %s s: nothing found\n' "$name" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$seconds"
    count=$((count + 1))
done
echo "fuzz: $count targets, nothing found"
