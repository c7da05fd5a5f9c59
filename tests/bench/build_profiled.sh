#!/usr/bin/env bash
# Compiles the call path twice with a run of calls between: gcc lays the code out by what ran.
# Nothing is done while the sources are those of the last profiled build. $1: the interpreter.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$1
objects=build/profiled
stamp=$objects/built

sources_sum() {
    {
        find accounts auction dce exchange routing sip storage vocabulary \
            \( -name '*.py' -o -name '*.pxd' -o -name '*.pyx' \) -print0 | sort -z | xargs -0 cat
        cat setup.py tests/bench/training.py
        find accounts auction dce exchange routing sip storage vocabulary -name '*.so' -print0 |
            sort -z | xargs -0 -r sha256sum
    } | sha256sum
}

compile() {
    DCE_COMPILE=require DCE_PROFILE=$1 "$python" setup.py -q build_ext --inplace --force \
        --build-temp "$objects"
}

if [ -f "$stamp" ] && [ "$(sources_sum)" = "$(cat "$stamp")" ]; then
    exit 0
fi
rm -rf "$objects"
compile make
"$python" -m tests.bench.training
compile use
"$python" -m tests.bench.training
sources_sum > "$stamp"
