#!/usr/bin/env bash
# What the checks use from Debian: a browser to look at the book, a synthesiser to make test speech, Slurm to run a grid on. Without
# the right to install them, the browser and cluster checks are left out and the test speech is made of tones; all say so.
set -euo pipefail
wanted=()
command -v chromium >/dev/null || wanted+=(chromium)
command -v espeak-ng >/dev/null || wanted+=(espeak-ng)
PATH=$PATH:/usr/sbin command -v slurmctld >/dev/null || wanted+=(slurm-wlm munge)
[ ${#wanted[@]} -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
  echo "not installed, for want of apt-get or root: ${wanted[*]}"
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends "${wanted[@]}" >/dev/null
