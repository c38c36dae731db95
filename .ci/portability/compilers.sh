# Stages of .ci/portability.sh that compile every permutation, or the program. Sourced.
# shellcheck shell=bash disable=SC2034 # VERSION, RESULT

DUMP=$DIR/dump

# Shaders by `examples/dump_shaders.rs`, whose head says what lies where.
stage_dump() {
    VERSION="naga $(cargo tree --locked -i naga --depth 0 2>/dev/null | awk '{ print $2; exit }')"
    quiet dump cargo run --release --locked --example dump_shaders -- "$DUMP" || { RESULT="see log/dump.log"; return 1; }
    RESULT=$(tail -n 1 "$DIR/log/dump.log")
    DUMPED=yes
}
need_dump() { [[ -n ${DUMPED:-} ]] || { stage_dump >/dev/null && RESULT=-; }; }

# Files of the dump, the first of every kernel, then the second of every kernel, and so on: files of one kernel are equally slow.
# listed FOLDER EXTENSION [CONDITION], an awk expression on the columns of the manifest
listed() {
    awk -F'\t' "${3:-1}"' { print ++seen[$5] "\t" $1 }' "$DUMP/manifest.tsv" | sort -n -s -k 1,1 | while read -r _ name; do
        [[ ! -e $DUMP/$1/$name.$2 ]] || echo "$DUMP/$1/$name.$2"
    done
}

# A driver over a list in pieces, JOBS at a time: in_pieces NAME LIST SIZE COMMAND..., with {} for the piece. What each says of its files
# comes together in result/NAME.tsv: OK or BAD, path, milliseconds, message; LEFT and path for pieces that were not begun before UNTIL
# (seconds since 1970).
in_pieces() {
    local name=$1 list=$2 size=$3 pieces=$DIR/tmp/$1
    shift 3
    rm -rf "$pieces" && mkdir -p "$pieces"
    split -a 4 -l "$size" "$list" "$pieces/piece."
    export -f in_root wine
    export ROOT PROJECT DIR DISPLAY_NUMBER
    # shellcheck disable=SC2016 # for the inner bash
    find "$pieces" -name 'piece.*' | sort | xargs -P "$JOBS" -I{} bash -c '
        if [[ -n ${UNTIL:-} && $(date +%s) -gt $UNTIL ]]; then sed "s/^/LEFT\t/" "$0"; else "$@"; fi >"$0.out" 2>"$0.err"' {} "$@"
    cat "$pieces"/*.err >>"$DIR/log/$name.log" 2>/dev/null
    cat "$pieces"/*.out | tr -d '\r' | sort -t $'\t' -k 2 >"$DIR/result/$name.tsv"
}

# The count of a result, by kernel into the log; fails if a file was refused or a driver said nothing of it: tally NAME LIST
tally() {
    local result=$DIR/result/$1.tsv good left all
    all=$(wc -l <"$2")
    good=$(grep -c '^OK' "$result")
    left=$(grep -c '^LEFT' "$result")
    RESULT="$good of $((all - left))"
    [[ $left == 0 ]] || RESULT+=" ($left more were left out for time)"
    {
        echo "passed of all, and milliseconds, by kernel:"
        awk -F'\t' '$1 != "LEFT" { sub(".*/[0-9]*_", "", $2); sub("[.][a-z]*$", "", $2); all[$2]++; good[$2] += $1 == "OK"; time[$2] += $3 }
            END { for (k in all) printf "  %s: %d of %d, %d ms\n", k, good[k], all[k], time[k] }' "$result" | sort
    } >>"$DIR/log/$1.log"
    grep '^BAD' "$result" | head -n 5 | cut -c 1-300 | sed 's/^/   /'
    [[ $good == "$((all - left))" && $good -gt 0 ]]
}

stage_tint() {
    need_webgpu || { skip "npm's webgpu could not be installed"; return; }
    need_dump || { skip "nothing was dumped"; return; }
    VERSION="npm webgpu $WEBGPU"
    listed wgsl wgsl >"$DIR/tmp/tint.list"
    # Dawn's null back end keeps what it compiled: 500 files a process.
    in_pieces tint "$DIR/tmp/tint.list" 500 "$NODE/bin/node" .ci/portability/tint.mjs "$DIR/webgpu/node_modules" {}
    tally tint "$DIR/tmp/tint.list"
}

dxc_library() { echo "$DIR/dxc/compushady/backends/libdxcompiler_x86_64.so"; }
# dxc NAME CONDITION ARGUMENT...: the arguments are wgpu's.
dxc() {
    local name=$1 condition=$2
    shift 2
    need_dxc || { skip "DXC could not be installed"; return; }
    need_dump || { skip "nothing was dumped"; return; }
    VERSION="DXC 1.8, of PyPI compushady-lrtu $COMPUSHADY"
    listed hlsl60 hlsl "$condition" >"$DIR/tmp/$name.list"
    in_pieces "$name" "$DIR/tmp/$name.list" 500 "$DIR/bin/dxc" "$(dxc_library)" {} -E main -HV 2018 -no-warnings -Ges "$@"
    tally "$name" "$DIR/tmp/$name.list"
}
# shellcheck disable=SC2016 # awk's columns
stage_dxc_f32() { dxc dxc_f32 '$2 == "f32"' -T cs_6_0; }
# shellcheck disable=SC2016
stage_dxc_f16() { dxc dxc_f16 '$2 == "f16"' -T cs_6_2 -enable-16bit-types; }

# FXC takes from a millisecond to half a minute a file. FXC_SECONDS bounds it (none by default): every kernel is compiled then, but not every
# permutation.
stage_fxc() {
    need_fxc || { skip "Wine or FXC could not be set up"; return; }
    need_dump || { skip "nothing was dumped"; return; }
    VERSION="d3dcompiler_47 of npm webgpu $WEBGPU, $(wine_version)"
    listed hlsl51 hlsl | sed 's/^/Z:/' >"$DIR/tmp/fxc.list"
    if [[ -n ${FXC_SECONDS:-} ]]; then
        export UNTIL=$(($(date +%s) + FXC_SECONDS))
    fi
    in_pieces fxc "$DIR/tmp/fxc.list" 80 wine "Z:$DIR/bin/fxc.exe" "Z:$FXC_LIBRARY" cs_5_1 "Z:{}"
    unset UNTIL
    tally fxc "$DIR/tmp/fxc.list"
}
wine_version() { in_root /usr/lib/wine/wine64 --version 2>/dev/null | tr -d '\r'; }

# naga lays out arrays in workgroup memory explicitly, which SPIR-V forbids without an extension (gfx-rs/wgpu#7696). Drivers accept it.
KNOWN_SPIRV=VUID-StandaloneSpirv-None-10684
stage_spirv() {
    need_spirv_val || { skip "spirv-val could not be installed"; return; }
    need_dump || { skip "nothing was dumped"; return; }
    VERSION="spirv-val $SPIRV_TOOLS"
    listed spirv spv >"$DIR/tmp/spirv.list"
    in_pieces spirv "$DIR/tmp/spirv.list" 500 bash .ci/portability/spirv.sh "$DIR/spirv-tools/cmeel.prefix/bin" "$KNOWN_SPIRV" {}
    local known
    known=$(grep -c $'^OK.*'"$KNOWN_SPIRV" "$DIR/result/spirv.tsv")
    tally spirv "$DIR/tmp/spirv.list"
    local code=$?
    RESULT+=", $known of these by the one known exception, $KNOWN_SPIRV (gfx-rs/wgpu#7696)"
    return $code
}

# `ring` compiles C in its build script; `cargo check` links nothing, so a compiler that writes empty files will do.
no_compiler() {
    cat >"$DIR/bin/no-cc" <<'END'
#!/bin/sh
# Compiles nothing.
while [ $# -gt 0 ]; do
    case $1 in
    -o) shift && : >"$1" ;;
    -o*) : >"${1#-o}" ;;
    *.a) printf '!<arch>\n' >"$1" ;;
    esac
    shift
done
END
    chmod +x "$DIR/bin/no-cc"
}
# check_for NAME TARGET
check_for() {
    need_std "$2" || { skip "no standard library for $2: Debian's rust-src must be of the version of rustc"; return; }
    no_compiler
    local suffix=${2//-/_}
    VERSION=$(rustc --version | cut -d ' ' -f 1-2)
    env "CC_$suffix=$DIR/bin/no-cc" "AR_$suffix=$DIR/bin/no-cc" CARGO_TARGET_DIR="$DIR/cross" RUSTUP_TOOLCHAIN= RUSTC="$TOOLCHAIN/bin/rustc" \
        "$TOOLCHAIN/bin/cargo" check --locked --target "$2" --lib --bins >>"$DIR/log/$1.log" 2>&1
    local code=$?
    if [[ $code == 0 ]]; then RESULT="library and program"; else RESULT="see log/$1.log"; fi
    return $code
}
stage_apple() { check_for apple aarch64-apple-darwin; }
stage_windows() { check_for windows x86_64-pc-windows-gnu; }
