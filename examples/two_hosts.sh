#!/usr/bin/env bash
# Two hosts on one machine: two network namespaces joined by a virtual cable, a rank in each, mpirun over TCP between them. Trains, then cuts the
# cable in mid-run: the job must end with a line that says so, within run.rank_timeout, and go on from its checkpoint.
#
# usage, as root on Linux with iproute2 and Open MPI: examples/two_hosts.sh [PROGRAM, built with --features mpi]
set -euo pipefail
program=$(realpath "${1:-target/release/simsiam}")
work=$(mktemp -d)
cd "$work"

cleanup() {
    # mpirun waits for a daemon that it cannot reach any more.
    for host in host-a host-b; do
        ip netns pids $host 2>/dev/null | xargs -r kill -9 2>/dev/null || true
    done
    ip netns del host-a 2>/dev/null || true
    ip netns del host-b 2>/dev/null || true
}
trap cleanup EXIT
cleanup
ip netns add host-a
ip netns add host-b
ip link add cable-a netns host-a type veth peer name cable-b netns host-b
for end in a:1 b:2; do
    name=${end%:*}
    ip -n "host-$name" addr add "10.99.0.${end#*:}/24" dev "cable-$name"
    ip -n "host-$name" link set "cable-$name" up
    ip -n "host-$name" link set lo up
done

# What mpirun takes for ssh: runs the command on the host of that address, under a name of its own.
cat >agent <<'AGENT'
#!/usr/bin/env bash
shift
exec ip netns exec host-b unshare --uts sh -c "hostname host-b; $*"
AGENT
chmod +x agent

job() {
    ip netns exec host-a unshare --uts sh -c 'hostname host-a; exec "$@"' - mpirun --allow-run-as-root --bind-to none \
        --mca plm_rsh_agent "$work/agent" --mca btl tcp,self --mca btl_tcp_if_include 10.99.0.0/24 \
        --mca oob_tcp_if_include 10.99.0.0/24 --host 10.99.0.1:1,10.99.0.2:1 -x XDG_RUNTIME_DIR -n 2 "$program" "$@"
}
export XDG_RUNTIME_DIR="$work"

small=(--limit-train 320 --limit-test 100 --batch-size 32 --set model.width=8 --no-tune)
echo "== two epochs over TCP"
job train "${small[@]}" --epochs 2 --out run
echo "== the cable is cut in the second epoch; run.rank_timeout = 10 s"
job train "${small[@]}" --epochs 200 --set run.rank_timeout=10 --out cut >log 2>&1 &
until grep -q '^epoch *1/' log; do sleep 0.2; done
ip -n host-a link set cable-a down
began=$SECONDS
# Both ranks end by themselves, on either side of the cut.
while pgrep -x "$(basename "$program" | cut -c1-15)" >/dev/null; do sleep 0.2; done
grep '^error' log
echo "both ranks ended $((SECONDS - began)) s after the cut"
cleanup
echo "== from the last checkpoint, with one rank"
"$program" train --resume cut --epochs 201 >log &
until grep -q '^epoch' log; do sleep 0.2; done
kill -TERM $!
wait $!
grep -E '^continue|^stopped' log
