#!/bin/bash
# Known vulnerabilities in the locked packages, where pip-audit is installed and its service answers; a lock of which it does not
# know every package counts as not audited. The exit status is 1 when something was found.
cd "$(dirname "$0")/.." || exit 2
audit=$(command -v pip-audit || echo .venv/bin/pip-audit)
if [ ! -x "$audit" ]; then
  echo "not run: pip-audit is not installed (pip install pip-audit)"
  exit 0
fi
status=0 log=$(mktemp)
for lock in ${*:-requirements*.lock}; do
  if "$audit" --strict --require-hashes --disable-pip --requirement "$lock" > "$log" 2>&1; then
    echo "$lock: $(tail -n 1 "$log")"
  elif grep -qE "^Found [0-9]+ known" "$log"; then
    echo "$lock:"; cat "$log"; status=1
  else
    echo "not audited: $lock: $(tail -n 1 "$log" | cut -c 1-200)"
  fi
done
rm "$log"
exit $status
