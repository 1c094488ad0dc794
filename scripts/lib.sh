# Sourced by the scripts beside it: the repository's root, progress lines, and virtual environments that are made once
# and made again only when what they are made from has changed.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() {
  printf '%s\n' "$*" >&2
}

die() {
  say "$(basename "$0"): $*"
  exit 1
}

# Prints the first Python that is new enough; $PYTHON overrules the search.
find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  die "Python 3.11 or later is needed, and none was found; set PYTHON to one"
}

# Prints everything that the virtual environment $1 is made from: its place, the requirement file $2 and the project.
ingredients() {
  printf '%s\n' "$1"
  cat "$2" "$ROOT/pyproject.toml"
}

# Succeeds if the virtual environment $1 was made from what it would be made from now; it keeps a copy of that.
is_current() {
  ingredients "$@" | cmp -s - "$1/.made-from"
}

# Installs into the virtual environment $1, by uv where there is one, else by pip.
install_into() {
  local environment=$1
  shift
  if command -v uv >/dev/null; then
    uv pip install --quiet --python "$environment/bin/python" "$@"
  else
    "$environment/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --root-user-action=ignore "$@"
  fi
}

# Makes the virtual environment $1 from the requirement file $2; with "$3" = project, with this project in it, editable.
make_environment() {
  local environment=$1 requirements=$2 project=${3:-} started=$SECONDS python
  python=$(find_python)
  say "Preparing $(basename "$environment") from $(basename "$requirements"): up to a minute, once …"
  if ! "$environment/bin/python" -c '' 2>/dev/null; then
    if command -v uv >/dev/null; then
      uv venv --quiet --clear --python "$python" "$environment" || die "$environment cannot be made"
    else
      "$python" -m venv --clear "$environment" || die "$environment cannot be made; Debian has it in python3-venv"
    fi
  fi
  install_into "$environment" --require-hashes -r "$requirements" || die "$requirements cannot be installed"
  if [[ -n $project ]]; then
    install_into "$environment" --no-deps --no-build-isolation --editable "$ROOT" || die "this project cannot be installed"
  fi
  ingredients "$environment" "$requirements" >"$environment/.made-from"
  say "… done in $((SECONDS - started)) s."
}

# Makes the virtual environment $1 unless it is current; arguments as for make_environment. Of two scripts that start at
# once, the second waits for the first.
ensure_environment() {
  if is_current "$1" "$2"; then
    return
  fi
  (
    if command -v flock >/dev/null; then
      flock 9
    fi
    if ! is_current "$1" "$2"; then
      make_environment "$@"
    fi
  ) 9>"$1.lock"
}

# Puts the development environment first on PATH.
use_development_environment() {
  ensure_environment "$ROOT/.venv" "$ROOT/requirements/dev.txt" project
  export PATH="$ROOT/.venv/bin:$PATH"
}
