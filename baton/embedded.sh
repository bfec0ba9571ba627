# Starts a server, and stops it when its owner wants that or is dead.
#
# The owner holds the other end of standard input, and does nothing but close it: `read` ends when it
# has, and the kernel closes it for an owner that was killed. PIPE is ignored because an owner that
# died during the start reads no "ready", and the stop must follow all the same.
#
# Arguments: the programs' directory, the server's directory, the socket's, and how long it lives:
# temporary (and then its directory is removed), owned, or detached (it goes on). The environment has
# CONFIGURATION, and SUPERVISOR, which is this text.

trap '' PIPE
unset SUPERVISOR
bin=$1 home=$2 sockets=$3 life=$4
data=$home/data log=$home/server.log
: >"$log"
exec 3>&1 >>"$log" 2>&1

start() {
  if [ ! -d "$data" ]; then
    rm -rf "$data.new"
    "$bin/initdb" -D "$data.new" -U postgres -A trust -E UTF8 --locale=C --locale-provider=builtin \
      --builtin-locale=C.UTF-8 --no-instructions &&
    echo "include '../server.conf'" >>"$data.new/postgresql.conf" &&
    mv "$data.new" "$data" || return 1
  fi
  printf '%s' "$CONFIGURATION" >"$home/server.conf" || return 1
  mkdir -p -m 700 "$sockets" && [ -O "$sockets" ] || return 1
  # a process that was given the number of a dead server makes PostgreSQL refuse to start
  if read -r pid <"$data/postmaster.pid" && [ -d "/proc/$pid" ] &&
      [ "$(readlink "/proc/$pid/cwd")" != "$data" ]; then
    rm -f "$data/postmaster.pid"
  fi 2>/dev/null
  "$bin/pg_ctl" -D "$data" -l "$log" -t 60 -w start
}

stop() { "$bin/pg_ctl" -D "$data" -w "$@" stop; }

if start </dev/null 3>&-; then echo ready >&3; else tail -n 50 "$log" >&3; fi
exec 3>&-
case $life in
  detached) ;;
  owned) read -r _; stop -m fast -t 60 || stop -m immediate ;;
  temporary) read -r _; stop -m immediate; rm -rf "$home" ;;
esac
[ "$life" = detached ] || [ "$sockets" = "$home" ] || rmdir "$sockets"
