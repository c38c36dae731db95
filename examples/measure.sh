#!/usr/bin/env bash
# Everything there is to know of the speed on one adapter, in one command of less than eight minutes:
#
#     examples/measure.sh OUT [--torch torch_step.py] [--device INDEX|NAME] [--width N] [--batch N] [--dim N] [--size N] [--steps N]
#
# Builds, lists the adapters, checks every kernel, times the candidates of every kernel and a training step in f32 and f16, profiles
# the step, and ends with a table. OUT is a folder for the results: a file a part, a Chrome trace, and `table.md`. Where a batch does
# not fit the adapter, half of it is tried. A part that takes too long or fails is named and the others go on.
#
# --torch: a program that times the same step in PyTorch; it is asked for fp32, tf32 and amp where there is CUDA. It takes --width --batch
# --size --dim --steps --device --precision and prints a JSON object with images_per_second, step_ms, tflops and peak_memory_gib.
#
# Environment: SIMSIAM, a built program to use instead of building one; PYTHON; BUDGET, seconds in all (460).
set -uo pipefail

usage() { sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 2; }
[ $# -ge 1 ] && [ "${1#-}" = "$1" ] || usage
OUT=$1; shift
TORCH='' DEVICE='' WIDTH=64 BATCH=512 DIM=2048 SIZE=32 STEPS=20
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
        --torch) TORCH=$2 ;; --device) DEVICE=$2 ;; --width) WIDTH=$2 ;; --batch) BATCH=$2 ;;
        --dim) DIM=$2 ;; --size) SIZE=$2 ;; --steps) STEPS=$2 ;; *) usage ;;
    esac
    shift 2
done
PYTHON=${PYTHON:-python3}
DEADLINE=$((SECONDS + ${BUDGET:-460}))
mkdir -p "$OUT" || exit 1
OUT=$(cd "$OUT" && pwd)
[ -z "$TORCH" ] || TORCH=$(realpath "$TORCH")
cd "$(dirname "$0")/.." || exit 1

# part NAME SECONDS COMMAND...: its output goes to OUT/NAME.txt, within its time and what is left of all.
part() {
    local name=$1 most=$2 left=$((DEADLINE - SECONDS)) began=$SECONDS code
    shift 2
    [ "$left" -lt "$most" ] && most=$left
    if [ "$most" -le 0 ]; then
        echo "$name: no time left" | tee "$OUT/$name.err"
        return 124
    fi
    timeout -k 5 "$most" "$@" >"$OUT/$name.txt" 2>"$OUT/$name.err"
    code=$?
    case $code in
        0) echo "$name: done in $((SECONDS - began)) s" ;;
        124 | 137) echo "$name: not done after $most s" ;;
        *) echo "$name: failed: $(tail -n 1 "$OUT/$name.err")" ;;
    esac
    return $code
}

# field FILE KEY: the first value of that key in a JSON file, or nothing.
field() { grep -o "\"$2\": *\(\"[^\"]*\"\|[^,}]*\)" "$1" 2>/dev/null | head -n 1 | sed 's/^"[^"]*": *//; s/"//g; s/^null$//'; }

if [ -z "${SIMSIAM:-}" ]; then
    part build 240 cargo build --release --locked || exit 1
    SIMSIAM=${CARGO_TARGET_DIR:-target}/release/simsiam
fi
ON=()
[ -z "$DEVICE" ] || ON=(--device "$DEVICE")
STEP=(--width "$WIDTH" --dim "$DIM" --image-size "$SIZE")

part devices 20 "$SIMSIAM" devices "${ON[@]}"
cat "$OUT/devices.txt"

# step PRECISION: halves BATCH until the adapter can hold it.
step() {
    while ! part "step-$1" 90 "$SIMSIAM" bench step "${STEP[@]}" --batch-size "$BATCH" --precision "$1" --steps "$STEPS" --json "${ON[@]}"; do
        grep -q 'binds at most\|MiB and the adapter has\|out of GPU memory' "$OUT/step-$1.err" && [ "$BATCH" -ge 8 ] || return 1
        BATCH=$((BATCH / 2))
        echo "step-$1: again with a batch of $BATCH"
    done
}
step f32
step f16
for precision in f32 f16; do
    part "profile-$precision" 60 "$SIMSIAM" bench step "${STEP[@]}" --batch-size "$BATCH" --precision $precision --steps 3 \
        --profile --trace "$OUT/trace-$precision.json" "${ON[@]}"
done
if [ -n "$TORCH" ] && "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    for precision in fp32 tf32 amp; do
        part "torch-$precision" 45 "$PYTHON" "$TORCH" --width "$WIDTH" --batch "$BATCH" --size "$SIZE" --dim "$DIM" --steps "$STEPS" \
            --device cuda --precision $precision
    done
else
    echo "torch: left out (--torch was not given, or $PYTHON has no torch with CUDA)"
fi
part kernels 60 "$SIMSIAM" bench kernels "${STEP[@]}" --batch-size "$BATCH" "${ON[@]}"
part self-test 90 "$SIMSIAM" devices --self-test "${ON[@]}"

# over A B: A / B with two digits, or a dash.
over() { awk -v a="$1" -v b="$2" 'BEGIN { if (a > 0 && b > 0) printf "%.2f", a / b; else printf "-" }'; }
# scaled A FACTOR FORMAT
scaled() { awk -v a="$1" -v f="$2" -v p="$3" 'BEGIN { if (a > 0) printf p, a * f; else printf "-" }'; }

fp32=$(field "$OUT/torch-fp32.txt" images_per_second)
amp=$(field "$OUT/torch-amp.txt" images_per_second)
{
    echo "ResNet-18 of width $WIDTH, ${SIZE}x$SIZE pixels, d $DIM, on $(field "$OUT/step-f32.txt" adapter) ($(field "$OUT/step-f32.txt" driver))"
    echo
    echo '| program | batch | images/s | ms a step | GFLOP/s | of the limit | memory, MiB | of PyTorch fp32 | of PyTorch amp |'
    echo '|---|---|---|---|---|---|---|---|---|'
    for precision in f32 f16; do
        file=$OUT/step-$precision.txt
        rate=$(field "$file" images_per_second)
        echo "| simsiam $precision | $(field "$file" batch_size) | $(scaled "$rate" 1 %.1f) | $(scaled "$(field "$file" step_seconds)" 1000 %.1f)" \
            "| $(scaled "$(field "$file" gflops_per_second)" 1 %.1f) | $(scaled "$(field "$file" share_of_peak)" 100 '%.0f %%')" \
            "| $(scaled "$(field "$file" memory_bytes)" 9.5367431640625e-7 %.0f) | $(over "$rate" "$fp32") | $(over "$rate" "$amp") |"
    done
    for precision in fp32 tf32 amp; do
        file=$OUT/torch-$precision.txt
        rate=$(field "$file" images_per_second)
        [ -n "$rate" ] || continue
        echo "| PyTorch $precision | $(field "$file" batch) | $(scaled "$rate" 1 %.1f) | $(scaled "$(field "$file" step_ms)" 1 %.1f)" \
            "| $(scaled "$(field "$file" tflops)" 1000 %.1f) | - | $(scaled "$(field "$file" peak_memory_gib)" 1024 %.0f)" \
            "| $(over "$rate" "$fp32") | $(over "$rate" "$amp") |"
    done
    echo
    file=$OUT/step-f32.txt
    echo "Limits: $(scaled "$(field "$file" f32_gflops)" 1 %.0f) GFLOP/s in f32, $(scaled "$(field "$file" f16_gflops)" 1 %.0f) in f16," \
        "$(scaled "$(field "$file" coop_gflops)" 1 %.0f) with cooperative matrices; copy $(scaled "$(field "$file" copy_gb_per_second)" 1 %.1f) GB/s;" \
        "512x512 product $(scaled "$(field "$file" gemm_512_gflops)" 1 %.1f) GFLOP/s." \
        "Host busy $(scaled "$(field "$file" host_share)" 100 %.2f) % of a step, device idle $(scaled "$(field "$file" idle_share)" 100 %.2f) %."
    tail -n 1 "$OUT/self-test.txt" 2>/dev/null
} | tee "$OUT/table.md"
