# Stages of .ci/portability.sh that run the program on drivers of others. Sourced.
# shellcheck shell=bash disable=SC2034 # VERSION, RESULT

# The first adapter of a back end in the list of `simsiam devices`: adapter_of BACKEND <LIST
adapter_of() { awk -v backend="$1" '$1 == "*" { $1 = ""; $0 = $0 } $1 ~ /^[0-9]+$/ { at = $1 } $1 == backend "," { print at; exit }'; }

# The self-test, and eight steps of training on the demo, by one adapter: on_device NAME BACKEND COMMAND..., where the command is the
# program. Their losses must be finite and agree with those of the stages before: same seed, same numbers up to rounding.
on_device() {
    local name=$1 backend=$2 log=$DIR/log/$1.log device run=$DIR/tmp/run_$1
    shift 2
    "$@" devices >"$DIR/tmp/$name.devices" 2>>"$log"
    cat "$DIR/tmp/$name.devices" >>"$log"
    device=$(tr -d '\r' <"$DIR/tmp/$name.devices" | adapter_of "$backend")
    [[ -n $device ]] || { RESULT="no adapter of $backend, see log/$name.log"; return 1; }
    local state=0 tested
    "$@" devices --self-test --device "$device" >"$DIR/result/$name.txt" 2>>"$log" || state=1
    tr -d '\r' <"$DIR/result/$name.txt" >"$DIR/tmp/$name.test"
    VERSION=$(head -n 1 "$DIR/tmp/$name.test")
    sed -i '/ cases FAILED/d' "$DIR/tmp/$name.test"
    tested=$(grep -cE ' ok$| FAILED' "$DIR/tmp/$name.test")
    RESULT="self-test $(grep -c ' ok$' "$DIR/tmp/$name.test") of $tested"
    grep FAILED "$DIR/tmp/$name.test" | head -n 5 | cut -c 1-300 | sed 's/^/   /'
    rm -rf "$run"
    "$@" train --device "$device" --out "$run" --limit-train 512 --limit-test 64 --epochs 1 >>"$log" 2>&1 || state=1
    local losses
    losses=$(grep '"event":"step"' "$run/metrics.jsonl" 2>/dev/null | sed -E 's/.*"loss":([^,}]*).*/\1/' | tr '\n' ' ')
    RESULT+=", $(wc -w <<<"$losses") of 8 steps, loss $(awk '{ printf "%.4f to %.4f", $1, $NF }' <<<"$losses")"
    echo "losses: $losses" >>"$log"
    [[ $(wc -w <<<"$losses") == 8 ]] || state=1
    if [[ -z ${LOSSES:-} ]]; then
        LOSSES=$losses
    elif ! awk -v first="$LOSSES" '{ n = split(first, other, " ")
            for (i = 1; i <= n; i++) { d = $i - other[i]; if (!(d < 2e-3 && d > -2e-3)) exit 1 } }' <<<"$losses"; then
        RESULT+=" (the first device that ran has $LOSSES)"
        state=1
    fi
    return $state
}

need_program() { cargo build --release --locked --bin simsiam >>"$DIR/log/$1.log" 2>&1; }
# The program of this machine inside the private Debian, whose drivers it then finds.
here() { in_root env XDG_RUNTIME_DIR="$DIR/tmp" XDG_CACHE_HOME="$DIR/tmp/cache" "$@" "$CARGO_TARGET_DIR/release/simsiam" "${ARGUMENTS[@]}"; }
simsiam_lavapipe() { ARGUMENTS=("$@"); here; }
simsiam_gl() { ARGUMENTS=("$@"); here VK_DRIVER_FILES=/none; }
simsiam_swiftshader() { ARGUMENTS=("$@"); here VK_DRIVER_FILES="$DIR/swiftshader/usr/lib/chromium/vk_swiftshader_icd.json"; }

# Only that package of Chromium which has it, without its dependencies.
make_swiftshader() {
    private_apt && mkdir -p "$1" && (cd "$1" && apt_get download "chromium-common/$SUITE" && dpkg -x ./*.deb . && rm ./*.deb)
}
run_here() {
    need_root || { skip "the private Debian could not be set up"; return; }
    need_program "$1" || { RESULT="the program does not build"; return 1; }
    on_device "$1" "$2" "simsiam_$1"
}
stage_swiftshader() {
    once "$DIR/swiftshader" make_swiftshader || { skip "SwiftShader could not be installed"; return; }
    run_here swiftshader Vulkan
}
stage_gl() { run_here gl Gl; }
stage_lavapipe() { run_here lavapipe Vulkan; }

# simsiam.exe with FXC beside it. Wine's own HLSL compiler fails, and DXC needs shader model 6, which Wine's DX12 lacks.
simsiam_dx12() { WINEDLLOVERRIDES=d3dcompiler_47=n wine "Z:$DIR/windows/simsiam.exe" "$@"; }
stage_dx12() {
    need_fxc || { skip "Wine or FXC could not be set up"; return; }
    need_std x86_64-pc-windows-gnu || { skip "no standard library for Windows: Debian's rust-src must be of the version of rustc"; return; }
    local target=x86_64-pc-windows-gnu
    # Less optimised: most of the time of a run is the driver's.
    if ! env CARGO_TARGET_DIR="$DIR/cross" RUSTUP_TOOLCHAIN= RUSTC="$TOOLCHAIN/bin/rustc" CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
        CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc PATH="$MINGW:$PATH" \
        "$TOOLCHAIN/bin/cargo" build --release --locked --target $target --bin simsiam >>"$DIR/log/dx12.log" 2>&1; then
        RESULT="the program does not build, see log/dx12.log"
        return 1
    fi
    mkdir -p "$DIR/windows" && cp "$DIR/cross/$target/release/simsiam.exe" "$FXC_LIBRARY" "$DIR/windows/" || return 1
    start_display
    on_device dx12 Dx12 simsiam_dx12
    local code=$?
    stop_display
    return $code
}
