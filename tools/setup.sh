#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Gets what is missing: system packages for the purposes named (build, lint, fuzz, live, cross), and .venv.
# Usage: tools/setup.sh [PURPOSE...]     Environment: PYTHON, the interpreter of .venv (default python3)
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t purposes < <(printf '%s\n' "${@:-build}" | sort -u)
python=${PYTHON:-python3}
venv=.venv

die()
{
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 2
}

missing=()
while read -r package purpose _; do
    case $package in '' | '#'*) continue ;; esac
    for wanted in "${purposes[@]}"; do
        [ "$purpose" = "$wanted" ] || continue
        if command -v dpkg-query >/dev/null; then
            dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
        fi
    done
done <tools/system-packages.txt

# clang 14 by its versioned name is as good as the package that points to it.
have() { command -v "$1" >/dev/null; }
has_headers()
{
    "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.isfile(sysconfig.get_path("include") + "/Python.h"))' \
        2>/dev/null
}
kept=()
for package in "${missing[@]}"; do
    case $package in
        clang) have clang || have clang-14 || kept+=("$package") ;;
        python3-venv) "$python" -c 'import venv, ensurepip' 2>/dev/null || kept+=("$package") ;;
        python3-dev) has_headers || kept+=("$package") ;;
        *) kept+=("$package") ;;
    esac
done

if [ "${#kept[@]}" -gt 0 ]; then
    if [ "$(id -u)" -eq 0 ] && have apt-get; then
        echo "setup: installing ${kept[*]}"
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update || true
        apt-get -qq install -y --no-install-recommends "${kept[@]}" >/dev/null ||
            die "the system packages ${kept[*]} could not be installed" "see the lines above"
    else
        die "missing system packages" "install them as root: apt-get install ${kept[*]}"
    fi
fi

have "$python" || die "no $python" "install Python 3.10 or newer, or set PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    die "$python is older than 3.10" "set PYTHON=/path/to/python3.10 or newer"

# .venv is made anew where its interpreter is gone, and filled where the list changed.
if ! "$venv/bin/python" -c '' 2>/dev/null; then
    rm -rf "$venv"
    echo "setup: making $venv with $("$python" --version)"
    "$python" -m venv "$venv"
fi
if ! cmp -s tools/requirements.txt "$venv/requirements.installed"; then
    echo "setup: installing $(grep -c '^[a-z]' tools/requirements.txt) tools into $venv"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check -r tools/requirements.txt ||
        die "the tools of tools/requirements.txt could not be installed" "see the lines above; is there a network?"
    cp tools/requirements.txt "$venv/requirements.installed"
fi
for purpose in "${purposes[@]}"; do
    touch "$venv/ready-$purpose"
done
