#!/usr/bin/env bash
# Opens the real window on a screen of its own, trains on the built-in images, and takes a picture of every pane:
#   examples/window_tour.sh OUT [SIZE [SCALE [SECONDS [LOOK]]]]     such as: examples/window_tour.sh shots 1280x800 1 60 dark
# Needs Xvfb, openbox, xdotool and ImageMagick (Debian: apt-get install xvfb openbox xdotool imagemagick); SIMSIAM names the program.
set -euo pipefail
out=$(mkdir -p "$1" && cd "$1" && pwd)
size=${2:-1280x800} scale=${3:-1} seconds=${4:-60} look=${5:-dark}
program=${SIMSIAM:-target/release/simsiam}
work=$(mktemp -d)
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-$work} WINIT_X11_SCALE_FACTOR=$scale
number=$work/number
Xvfb -displayfd 3 -screen 0 "${size}x24" -nolisten tcp 3>"$number" 2>/dev/null &
screen=$!
trap 'kill $app $manager $screen 2>/dev/null || true; wait 2>/dev/null; rm -rf "$work"' EXIT
app= manager=
while [ ! -s "$number" ]; do sleep 0.1; done
export DISPLAY=:$(cat "$number")
openbox 2>/dev/null &
manager=$!
printf 'look = "%s"\nmaximized = true\n' "$look" > "$work/window.toml"
"$program" app --data demo --out "$work/runs" --settings "$work/window.toml" --frame-times > "$out/frame-times.txt" 2>"$work/errors" &
app=$!
window=$(timeout 60 xdotool search --sync --name '^simsiam' | head -n 1)
width=${size%x*} height=${size#*x}
sleep 4

shot() { sleep "${2:-3}"; import -window root "$out/$1.png"; echo "$out/$1.png"; }
key() { xdotool key --window "$window" "$1"; }
point() { xdotool mousemove "$1" "$2"; }

xdotool windowfocus "$window"
shot start 6
# The button of the pane Start is reached by the keyboard where no pointer knows its place: Ctrl+Return starts.
key ctrl+Return
sleep "$seconds"
key 2; point $((width * 45 / 100)) $((height * 45 / 100)); shot curves 4
key 3; shot output-std 4
key 4; shot views 6
# What was drawn shows where the pointer rests.
point $((width * 36 / 100)) $((height * 33 / 100)); shot views-hover 3
# Closing asks.
xdotool key --window "$window" alt+F4; shot closing 3
key Escape; sleep 1
key 5; shot neighbours 25
key 6; shot runs 4
key 1; shot start-training 4
kill -INT "$app"; wait "$app" || true
app=
cat "$out/frame-times.txt"
