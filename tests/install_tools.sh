#!/bin/sh
# Installs the test peers: SIPp and kamailio (apt, as root on Debian or Ubuntu), and
# sippy, PJSUA2 (pip, into the virtual environment). Repeatable: what is there is left alone.
#
#   tests/install_tools.sh            install what is missing
#   tests/install_tools.sh --check    only say what is missing
#
# PY: the Python of the environment (default .venv/bin/python beside this folder's parent).
# Status 0: everything is there. 1: something is missing; its tests are skipped, in CI failed.
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
PY=${PY:-$root/.venv/bin/python}
PATH=$PATH:/usr/sbin:/sbin
only_check=no
[ "${1:-}" = "--check" ] && only_check=yes

# program:package:what it is for
PROGRAMS="sipp:sip-tester:interop+tests+and+benches
kamailio:kamailio:bench+b2bua.vs_kamailio
taskset:util-linux:pinning+in+overload+runs"
# module:requirement:what it is for
MODULES="sippy:sippy==2.5.0:bench+b2bua.vs_sippy
pjsua2:pjsua2-python==2.15.1.post1:audio+test"

say() { printf '%s\n' "$*"; }

missing_packages() {
    for row in $PROGRAMS; do
        program=${row%%:*}; rest=${row#*:}
        command -v "$program" >/dev/null 2>&1 || printf '%s ' "${rest%%:*}"
    done
}

missing_modules() {
    for row in $MODULES; do
        module=${row%%:*}; rest=${row#*:}
        "$PY" -c "import importlib.util as u, sys; sys.exit(u.find_spec('$module') is None)" \
            2>/dev/null || printf '%s ' "${rest%%:*}"
    done
}

install_packages() {
    if [ "$(id -u)" != 0 ]; then
        say "not root: as root run  apt-get install -y --no-install-recommends $*"
    elif ! command -v apt-get >/dev/null 2>&1; then
        say "no apt-get here: install by hand what Debian calls  $*"
    else
        say "installing with apt: $*"
        DEBIAN_FRONTEND=noninteractive apt-get update -q >/dev/null
        # Debian starts services at once; no peer of ours may run by itself.
        guard=/usr/sbin/policy-rc.d; made=no
        if [ ! -e "$guard" ]; then
            printf '#!/bin/sh\nexit 101\n' > "$guard"; chmod 755 "$guard"; made=yes
        fi
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" \
            >/dev/null || say "apt failed: see above"
        if [ "$made" = yes ]; then rm -f "$guard"; fi
    fi
}

install_modules() {
    if [ ! -x "$PY" ]; then
        say "no Python at $PY: run  make deps  first, or set PY"
        return
    fi
    for requirement in "$@"; do
        say "installing with pip: $requirement"
        "$PY" -m pip install -q --disable-pip-version-check "$requirement" \
            || say "pip failed for $requirement (PJSUA2 has wheels for x86-64 and Python ≤ 3.12)"
    done
}

if [ "$only_check" = no ]; then
    packages=$(missing_packages)
    # shellcheck disable=SC2086 # one word a package
    [ -z "$packages" ] || install_packages $packages
    modules=$(missing_modules)
    # shellcheck disable=SC2086
    [ -z "$modules" ] || install_modules $modules
fi

status=0
for row in $PROGRAMS $MODULES; do
    name=${row%%:*}; rest=${row#*:}; use=$(printf '%s' "${rest#*:}" | tr + ' ')
    if command -v "$name" >/dev/null 2>&1 || "$PY" -c \
        "import importlib.util as u, sys; sys.exit(u.find_spec('$name') is None)" 2>/dev/null; then
        printf '  there    %-10s %s\n' "$name" "$use"
    else
        printf '  MISSING  %-10s %s\n' "$name" "$use"; status=1
    fi
done
exit "$status"
