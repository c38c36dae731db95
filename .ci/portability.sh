#!/usr/bin/env bash
# Checks portability with the compilers and drivers of others, on a machine without a GPU, a Mac or Windows: run it after a change of a
# shader, of `src/gpu`, or of the version of wgpu. Not part of .ci/run: it downloads 0.6 GB once and takes most of an hour.
#
#   .ci/portability.sh                    all stages
#   .ci/portability.sh tint dxc_f32       only these (`dump` runs by itself before those that need it)
#   PORTABILITY_SKIP="fxc dx12" .ci/portability.sh     all but these
#
# Needs Debian 12 or newer on amd64, root (it makes mount namespaces), and Rust. Tools come from Debian, PyPI, npm and crates into one folder,
# PORTABILITY_DIR (target/portability if not given), and stay there; nothing is installed on the machine. PORTABILITY_JOBS is how many
# processes run at a time (2). FXC_SECONDS, if given, bounds what FXC may take: not every permutation is compiled then.
#
# Ends with a table; the exit code is 1 if a stage failed. A stage that cannot be set up is skipped, and says why.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
PROJECT=$PWD
export LC_ALL=C.UTF-8
DIR=$(realpath -m "${PORTABILITY_DIR:-target/portability}")
JOBS=${PORTABILITY_JOBS:-2}
export CARGO_TERM_COLOR=never CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PROJECT/target}"
mkdir -p "$DIR"/{log,result,bin,tmp} "$CARGO_TARGET_DIR"
CARGO_TARGET_DIR=$(realpath "$CARGO_TARGET_DIR")

# shellcheck source-path=SCRIPTDIR/..
. .ci/portability/tools.sh
. .ci/portability/compilers.sh
. .ci/portability/devices.sh

#        name         what it does
STAGES=(
    "dump       writes every kernel permutation to files"
    "tint       WGSL through Tint, as Chromium has it, with WebGPU's default limits"
    "dxc_f32    HLSL in f32 through DXC"
    "dxc_f16    HLSL in f16 through DXC"
    "fxc        HLSL through Microsoft's FXC, under Wine"
    "spirv      SPIR-V through spirv-val"
    "apple      cargo check for aarch64-apple-darwin"
    "windows    cargo check for x86_64-pc-windows-gnu"
    "swiftshader  self-test and eight steps on SwiftShader"
    "gl         self-test and eight steps on OpenGL"
    "lavapipe   self-test and eight steps on a newer Mesa, with cooperative matrices"
    "dx12       self-test and eight steps of simsiam.exe on DX12, under Wine"
)

# Runs one stage and remembers its line of the table. A stage sets VERSION and RESULT, or calls `skip` with a reason and returns 77.
FAILED=0
ROWS=()
run_stage() {
    local name=$1 start=$SECONDS code state
    VERSION=- RESULT=- REASON=
    echo "== $name: $2"
    : >"$DIR/log/$name.log"
    "stage_$name"
    code=$?
    case $code in
    0) state=passed ;;
    77) state=skipped RESULT=$REASON ;;
    *) state=FAILED FAILED=1 ;;
    esac
    echo "   $state: $RESULT ($((SECONDS - start)) s)"
    ROWS+=("$name|$state|$VERSION|$RESULT|$((SECONDS - start))")
}

# `skip REASON; return` ends a stage.
skip() {
    REASON=$1
    return 77
}

for name in "$@"; do
    [[ " ${STAGES[*]%% *} " == *" $name "* ]] || { echo "there is no stage $name" >&2 && exit 2; }
done
chosen=" $* "
for stage in "${STAGES[@]}"; do
    read -r name what <<<"$stage"
    if [[ $# -gt 0 && $chosen != *" $name "* ]]; then
        continue
    elif [[ " ${PORTABILITY_SKIP:-} " == *" $name "* ]]; then
        echo "== $name: skipped, it is in PORTABILITY_SKIP"
        ROWS+=("$name|skipped|-|in PORTABILITY_SKIP|0")
    else
        run_stage "$name" "$what"
    fi
done

echo
echo "| stage | result | tool | passed of all | seconds |"
echo "| --- | --- | --- | --- | ---: |"
for row in "${ROWS[@]}"; do
    IFS='|' read -r name state version result seconds <<<"$row"
    echo "| $name | $state | $version | $result | $seconds |"
done | tee "$DIR/table.md"
echo "(logs in $DIR/log, refusals by file in $DIR/result; $SECONDS s together)"
exit $FAILED
