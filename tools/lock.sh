#!/usr/bin/env bash
# Resolve the dependencies of pyproject.toml into requirements.lock, hashed. torch is left out: it is installed first, and a
# resolver would bring in gigabytes of GPU packages. The result goes to a new file: over an old one, old choices would stay.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet uv
echo 'torch ; python_version < "3"' > "$work/override.txt"
"$work/venv/bin/uv" pip compile pyproject.toml --quiet --extra book --extra test --override "$work/override.txt" \
  --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate -o "$work/lock"
{ echo '# Everything but torch, which is installed first. Made by `make lock` from pyproject.toml.'; cat "$work/lock"; } > "$work/new"
mv "$work/new" requirements.lock
