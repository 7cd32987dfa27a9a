#!/usr/bin/env bash
# A one-node Slurm for the tests, all of it in one folder: configuration, key, state, logs. On loopback only, without systemd, as the
# user who calls.
#   slurm_node.sh start FOLDER   starts it and prints the setting that sbatch and the like need
#   slurm_node.sh lose FOLDER    ends the node's daemon and its jobs at once, as a power cut would
#   slurm_node.sh back FOLDER    starts the node's daemon again
#   slurm_node.sh stop FOLDER    ends everything
# Exit status 3: munge or Slurm are not installed.
set -euo pipefail
command=${1:?start, lose, back or stop} folder=$(realpath --canonicalize-missing "${2:?a folder}")
PATH=$PATH:/usr/sbin:/sbin
export SLURM_CONF=$folder/slurm.conf

free_ports() {
  python3 -c 'import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(server.getsockname()[1] for server in held))'
}

configure() {
  local controller node host user
  host=$(hostname --short) user=$(id --user --name)
  read -r controller node < <(free_ports)
  mkdir --parents "$folder"/{state,spool}
  chmod 755 "$folder"
  head --bytes 128 /dev/urandom >"$folder/munge.key"
  chmod 400 "$folder/munge.key"
  cat >"$SLURM_CONF" <<CONF
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller
SlurmdPort=$node
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=2
SlurmdTimeout=10
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc --all) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE
CONF
}

wait_until() { # wait_until "WHAT" COMMAND...: for 20 s at most
  for _ in $(seq 100); do
    "${@:2}" >/dev/null 2>&1 && return
    sleep 0.2
  done
  echo "slurm_node.sh: still not $1; the logs are in $folder" >&2
  return 1
}
up() { sinfo --noheader --format %T | grep --quiet --extended-regexp '^(idle|mixed|allocated)$'; }
gone() { [[ $(ps -o stat= -p "$1") != [!Z]* ]]; } # a zombie is gone: without an init nobody fetches it

end() { # end NAME SIGNAL: by the process id that the daemon NAME wrote
  local pid
  pid=$(cat "$folder/$1.pid" 2>/dev/null) || return 0
  kill -"$2" "$pid" 2>/dev/null || return 0
  wait_until "ended: $1" gone "$pid" || kill -KILL "$pid"
}

cut_power() {
  end slurmd KILL
  for step in $(pgrep -x slurmstepd); do # in one session with the processes of its job
    if grep --quiet --null-data --fixed-strings --line-regexp "SLURM_CONF=$SLURM_CONF" "/proc/$step/environ" 2>/dev/null; then
      kill -KILL $(pgrep --session $(ps -o sid= -p "$step")) 2>/dev/null || true
    fi
  done
}

case $command in
  start)
    for program in munged slurmctld slurmd sbatch; do
      command -v $program >/dev/null || { echo "slurm_node.sh: no $program; Debian has it in munge and slurm-wlm" >&2; exit 3; }
    done
    configure
    munged --force --num-threads=2 --socket="$folder/munge.socket" --key-file="$folder/munge.key" --pid-file="$folder/munged.pid" \
      --log-file="$folder/munged.log" --seed-file="$folder/munged.seed"
    slurmctld -c
    slurmd
    wait_until "up: the node" up
    echo "export SLURM_CONF=$SLURM_CONF"
    ;;
  lose) cut_power ;;
  back)
    slurmd
    wait_until "up: the node" up
    ;;
  stop)
    cut_power
    end slurmctld TERM
    end munged TERM
    ;;
  *)
    echo "slurm_node.sh: unknown command $command" >&2
    exit 2
    ;;
esac
