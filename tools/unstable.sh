#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# CPython 3.14 and 3.15 for the test matrix: Debian unstable, unpacked by debootstrap into a cache folder outside the
# tree, from the mirror that apt uses here. A folder that is there is reused. Prints where it lies, or why it is not
# there; ends well either way, as the tests run without it.
set -euo pipefail
cd "$(dirname "$0")/.."
versions=(3.14 3.15)

skip()
{
    printf 'python %s: skipped: %s\n' "${versions[*]}" "$1"
    exit 0
}

if [ -n "${OUTPACE_CACHE:-}" ]; then
    cache=$OUTPACE_CACHE
elif [ -n "${XDG_CACHE_HOME:-}" ]; then
    cache=$XDG_CACHE_HOME/outpace-test
elif [ "$(id -u)" -eq 0 ]; then
    cache=/var/cache/outpace-test
else
    cache=$HOME/.cache/outpace-test
fi
root=$cache/unstable
marker=$root/.outpace-complete

if [ -e "$marker" ]; then
    printf 'python %s: in %s\n' "${versions[*]}" "$root"
    exit 0
fi
[ "$(id -u)" -eq 0 ] || skip "needs root once, to unpack Debian unstable into $root"
[ "$(uname -m)" = x86_64 ] || skip "is for x86-64 only"
command -v apt-get >/dev/null || skip "apt tells no mirror on this system"

# The mirror of apt's sources, of both forms, with "Types: deb" or "deb" lines only. The first for Debian itself wins:
# the one that ends in /debian, as others (security, vendors) do not carry unstable.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null | awk '
    /^[[:space:]]*#/ { next }
    $1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) { print $i; break } }
    tolower($1) == "uris:" { for (i = 2; i <= NF; i++) print $i }' |
    sed 's|/*$||' | grep -E '^(https?|ftp|file|mirror\+https?)://.*/debian$' | head -n 1 || true)
[ -n "$mirror" ] || skip "no Debian mirror in apt's sources"

tools/setup.sh live >/dev/null 2>&1 || true
command -v debootstrap >/dev/null || skip "debootstrap is not installed and could not be"
script=/usr/share/debootstrap/scripts/sid
[ -e "$script" ] || skip "debootstrap knows no unstable"

# Unpacked under another name and renamed when complete: a broken-off run leaves nothing that looks whole.
echo "python ${versions[*]}: unpacking Debian unstable into $root (about a minute, once)"
mkdir -p "$cache"
partial=$cache/unstable.partial.$$
trap 'rm -rf --one-file-system "$partial"' EXIT
include=gcc,libc6-dev
for version in "${versions[@]}"; do
    include=$include,python$version,python$version-dev,python$version-venv,libpython$version-testsuite
done
# Minimal, and without the scripts that need a whole system; what fails is in the log.
if ! debootstrap --variant=minbase --include="$include" unstable "$partial" "$mirror" >"$cache/debootstrap.log" 2>&1; then
    skip "debootstrap failed (no network?): see $cache/debootstrap.log"
fi
for version in "${versions[@]}"; do
    chroot "$partial" "/usr/bin/python$version" -c 'pass' || skip "python$version does not start in $partial"
done
rm -rf "$partial"/var/cache/apt/archives/*.deb
rm -rf --one-file-system "$root"
mv "$partial" "$root"
touch "$marker"
printf 'python %s: in %s\n' "${versions[*]}" "$root"
