#!/usr/bin/env bash
# Resolve pyproject.toml into the lock files, hashed: requirements.lock for the book and the tests, and what each further extra adds
# to it. torch is left out: it is installed first, and a resolver would bring in gigabytes of GPU packages. Results go to new files:
# over old ones, old choices would stay.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet uv
echo 'torch ; python_version < "3"' > "$work/override.txt"

resolve() { # resolve NAME OPTION...
  local name=$1
  shift
  "$work/venv/bin/uv" pip compile pyproject.toml --quiet --extra book --extra test --override "$work/override.txt" --universal \
    --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate -o "$work/$name" "$@"
}

resolve main
{ echo '# Everything but torch, which is installed first. Made by `make lock` from pyproject.toml.'; cat "$work/main"; } > "$work/new"
mv "$work/new" requirements.lock
for extra in check extract gpu lint slurm; do
  resolve "$extra" --extra "$extra" --constraint requirements.lock
  { echo "# What the extra '$extra' adds to requirements.lock. Made by \`make lock\` from pyproject.toml."
    python3 tools/added_packages.py "$work/$extra" requirements.lock; } > "$work/new"
  mv "$work/new" "requirements-$extra.lock"
done
