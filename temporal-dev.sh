#!/usr/bin/env bash
# Prepares Sojourn's environment, then runs the Temporal dev server, the demo, the tests or the linters.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: ./temporal-dev.sh [COMMAND]

Every command first prepares the environment: a virtual environment in .venv, with the
locked packages and the Temporal dev server in it. Once that is done it costs nothing.

  (none)          start the Temporal dev server and its UI, and print how to connect
                    --port N      listen here (default: a free port)
                    --ui-port N   serve the UI here (default: a free port)
                    --db FILE     keep workflows in FILE (default: in memory)
  demo            start a private dev server and run the demo on it
  test [ARG...]   run the tests; arguments go to pytest
  lint            run every linter and type checker
  prepare         only prepare; with --dev also what test and lint need
  --help          print this

SOJOURN_VENV names another virtual environment; a relative path starts at the checkout.
TEXT
}

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
venv=${SOJOURN_VENV:-.venv}
[[ $venv == /* ]] || venv=$root/$venv
readonly root venv

say() { printf '%s\n' "$*"; }

# die MESSAGE [CODE]
die() {
  printf 'temporal-dev.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

# ---- processes: each child leads its own process group, and none outlives this script

children=()
server_log=''

# launch COMMAND...: start it as `$child`.
launch() {
  set -m
  "$@" </dev/null &
  set +m
  child=$!
  children+=("$child")
}

stop() {
  local deadline=$((SECONDS + 10))
  kill -TERM -- "-$1" 2>/dev/null || true
  # A graceful stop takes the server about a second: reap it, but never wait for ever.
  while kill -0 "$1" 2>/dev/null && ((SECONDS < deadline)); do sleep 0.05; done
  kill -KILL -- "-$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

stop_all() {
  trap '' HUP INT TERM
  local i
  for ((i = ${#children[@]} - 1; i >= 0; i--)); do stop "${children[i]}"; done
  [[ -z $server_log ]] || rm -f "$server_log"
}

trap stop_all EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- the environment

# Says in one line what a Python lacks, if it lacks anything.
readonly probe='
import sys
if sys.version_info < (3, 11):
    sys.exit("is Python %d.%d" % sys.version_info[:2])
try:
    import ensurepip, venv
except ImportError:
    sys.exit("lacks the venv module (Debian and Ubuntu: apt-get install python3-venv)")
'

find_python() {
  local name reason missing='none was found on the PATH'
  for name in python3.13 python3.12 python3.11 python3; do
    command -v "$name" >/dev/null || continue
    if reason=$("$name" -c "$probe" 2>&1); then
      python=$name
      return
    fi
    missing="$name ${reason%%$'\n'*}"
  done
  die "Python 3.11 or newer is needed, with its venv module: $missing"
}

# A digest of all that an environment is made from: where it is, and what it holds.
readonly digest='
import hashlib, pathlib, sys
print(hashlib.sha256(repr([*sys.argv[1:3], *(pathlib.Path(f).read_bytes() for f in sys.argv[3:])]).encode()).hexdigest())
'

# fingerprint run|dev
fingerprint() {
  "$venv/bin/python" -I -c "$digest" "$root" "$venv" "$root/pyproject.toml" "$root/requirements/$1.txt"
}

# is_current run|dev
is_current() {
  local stamp found
  stamp=$(cat "$venv/$1.stamp" 2>/dev/null) && found=$(fingerprint "$1" 2>/dev/null) && [[ $stamp == "$found" ]]
}

is_usable() {
  [[ $(cat "$venv/place.stamp" 2>/dev/null || say "$venv") == "$venv" ]] &&
    "$venv/bin/python" -I -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# install MESSAGE COUNT PIP-ARG...: run pip with a counter; on failure show how its log ends.
install() {
  local message=$1 count=$2 log=$venv/prepare.log seen=0 shown=0
  shift 2
  say "$message"
  launch "$venv/bin/python" -m pip install --no-input --disable-pip-version-check --progress-bar off "$@" >"$log" 2>&1
  while kill -0 "$child" 2>/dev/null; do
    sleep 0.2
    seen=$(grep -cE '^(Collecting|Ignoring|Requirement already)' "$log" || true)
    if ((seen >= shown + 20 && seen <= count)); then
      say "  $seen of $count packages"
      shown=$seen
    fi
  done
  if wait "$child"; then
    children=()
    return
  fi
  tail -n 15 "$log" >&2
  die "pip could not finish; its whole output is in $log"
}

create_venv() {
  [[ -e $venv/pyvenv.cfg || -z $(ls -A "$venv") ]] || die "$venv is not a virtual environment; name another in SOJOURN_VENV"
  say "creating $venv with $("$python" --version)"
  "$python" -m venv --clear "$venv"
  say "$venv" >"$venv/place.stamp"
}

# prepare run|dev
prepare() {
  case $(uname -s) in
    MINGW* | MSYS* | CYGWIN*) die "the Temporal dev server has no wheel for Windows: use Linux, macOS or WSL" ;;
  esac
  is_current "$1" && return
  local python=$venv/bin/python lock=$root/requirements/$1.txt
  is_usable || find_python
  mkdir -p "$venv"
  # One at a time: the lock stays on this descriptor until it is closed below.
  exec 9<"$venv"
  "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
  if ! is_current "$1"; then
    is_usable || create_venv
    # --no-deps: the lock is whole; a pip that looks for `coverage[toml]` itself would find one newer than the lock.
    install "installing the packages of requirements/$1.txt" "$(grep -c == "$lock")" --no-deps -r "$lock"
    # hatchling and editables come with the lock: nothing is fetched to build the project itself.
    install "installing sojourn" 1 --no-deps --no-build-isolation -e "$root"
    fingerprint run >"$venv/run.stamp"
    [[ $1 == run ]] || fingerprint dev >"$venv/dev.stamp"
  fi
  exec 9<&-
}

# ---- the server

# free_ports PORT...: print as many ports, each the one asked for or, for 0, any free one.
free_ports() {
  "$venv/bin/python" -I -c '
import os, socket, sys
held = []
for port in sys.argv[1:]:
    try:
        held.append(socket.create_server(("127.0.0.1", int(port))))
    except OSError as error:
        sys.exit(f"port {port}: {os.strerror(error.errno)}")
print(*(one.getsockname()[1] for one in held))' "$@"
}

# start_server PORT UI-PORT FLAG...: return when it answers at `$port`; 0 stands for any free port.
start_server() {
  local free attempt
  server_log=$(mktemp)
  # The ports that the server takes for itself may be snatched before it has them: then it dies, and is tried again.
  for attempt in 1 2 3; do
    free=$(free_ports "$1" "$2" 2>&1) || die "$free"
    port=${free% *} ui_port=${free#* }
    launch "$venv/bin/temporal" server start-dev --ip 127.0.0.1 --port "$port" --ui-port "$ui_port" "${@:3}" \
      --log-level error --dynamic-config-value history.transferProcessorMaxPollRPS=2000 \
      --search-attribute SojournAgent=Keyword --search-attribute SojournSession=Keyword \
      >"$server_log" 2>&1
    ! await_health "127.0.0.1:$port" || return 0
  done
  server_failed "the Temporal dev server did not start, $attempt times"
}

# await_health ADDRESS: fail when the server has died.
await_health() {
  local deadline=$((SECONDS + 30))
  while ((SECONDS < deadline)); do
    kill -0 "$child" 2>/dev/null || return 1
    "$venv/bin/temporal" operator cluster health --address "$1" >/dev/null 2>&1 && return
    sleep 0.05
  done
  server_failed "the Temporal dev server on $1 gave no sign of health for 30 seconds"
}

# server_failed MESSAGE
server_failed() {
  tail -n 15 "$server_log" >&2
  die "$1"
}

# ---- the commands

is_port() { [[ $1 =~ ^[0-9]{1,5}$ ]] && ((10#$1 > 0 && 10#$1 < 65536)); }

serve() {
  local port='' ui_port='' db='' flags=()
  while (($#)); do
    [[ $1 =~ ^--(port|ui-port|db)$ ]] || die "unknown option $1 (see --help)" 2
    (($# > 1)) || die "$1 needs a value" 2
    case $1 in
      --port) port=$2 ;;
      --ui-port) ui_port=$2 ;;
      --db) db=$2 ;;
    esac
    shift 2
  done
  is_port "${port:-1}" || die "--port takes a number from 1 to 65535, not $port" 2
  is_port "${ui_port:-1}" || die "--ui-port takes a number from 1 to 65535, not $ui_port" 2
  prepare run
  [[ -z $db ]] || flags=(--db-filename "$db")
  start_server "${port:-0}" "${ui_port:-0}" ${flags[@]+"${flags[@]}"}
  cat <<TEXT

The Temporal dev server is ready; Ctrl-C stops it.

  address   127.0.0.1:$port
  UI        http://127.0.0.1:$ui_port
  data      ${db:-in memory}
  log       $server_log

To start a worker, in another terminal:

  cd $(printf %q "$root")
  export TEMPORAL_ADDRESS=127.0.0.1:$port
  $(printf %q "$venv/bin/sojourn") worker --app examples.clerk.app:app
TEXT
  wait "$child" || true
  server_failed "the Temporal dev server stopped"
}

demo() {
  local port ui_port
  (($# == 0)) || die "demo takes no arguments" 2
  prepare run
  start_server 0 0 --headless
  cd "$root"
  export TEMPORAL_ADDRESS=127.0.0.1:$port
  launch "$venv/bin/python" -m examples.clerk.demo
  wait "$child"
}

run_tests() {
  prepare dev
  cd "$root"
  # Two at a time: much of a test is waiting for a server. A later `-n 0` among the arguments wins.
  exec "$venv/bin/python" -m pytest -n 2 --dist worksteal "$@"
}

lint() {
  (($# == 0)) || die "lint takes no arguments" 2
  prepare dev
  cd "$root"
  local failed=()
  check ruff check .
  check ruff format --check .
  check mypy
  check pyright --pythonpath "$venv/bin/python"
  check lint-imports
  check codespell --skip '*.json,*.txt,dist' .
  check shellcheck temporal-dev.sh .ci/run
  ((${#failed[@]} == 0)) || die "lint failed:$(printf '\n  %s' "${failed[@]}")"
}

check() {
  say "== $*"
  "$@" || failed+=("$*")
}

# A person's own Temporal settings must not reach a private server: not by variables, not by a file.
for name in "${!TEMPORAL_@}"; do unset "$name"; done
export TEMPORAL_CONFIG_FILE=/dev/null PATH=$venv/bin:$PATH

case ${1-} in
  -h | --help) usage ;;
  demo) demo "${@:2}" ;;
  test) run_tests "${@:2}" ;;
  lint) lint "${@:2}" ;;
  prepare)
    case ${*:2} in
      '') prepare run ;;
      --dev) prepare dev ;;
      *) die "prepare takes only --dev" 2 ;;
    esac
    ;;
  '' | -*) serve "$@" ;;
  *) die "unknown command $1 (see --help)" 2 ;;
esac
