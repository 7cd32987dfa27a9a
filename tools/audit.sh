#!/bin/bash
# Known vulnerabilities in the locked packages, where pip-audit is installed and its service can be asked; says so where not.
cd "$(dirname "$0")/.." || exit 1
audit=$(command -v pip-audit || echo .venv/bin/pip-audit)
if [ ! -x "$audit" ]; then
  echo "not run: pip-audit is not installed (pip install pip-audit)"
  exit 0
fi
status=0 log=$(mktemp)
for lock in requirements*.lock; do
  "$audit" --require-hashes --disable-pip --requirement "$lock" > "$log" 2>&1
  found=$?
  if grep -qE "ConnectionError|Max retries|ServiceError" "$log"; then
    echo "not run: $lock: the service cannot be reached"
  else
    cat "$log"
    [ $found -eq 0 ] || status=1
  fi

done
exit $status
