#!/usr/bin/env bash
# An archive of this machine's system: the program, its licences and those of every crate in it, manual pages and completions.
#
#     .ci/release.sh [DIR]          # default: target/release-archive
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(realpath -m "${1:-target/release-archive}")
cargo build --profile dist --locked
program=$(pwd)/target/dist/simsiam
version=$("$program" --version | cut -d' ' -f2)
host=$(rustc -vV | sed -n 's/^host: //p')
name=simsiam-$version-$host
rm -rf "${out:?}/$name"
mkdir -p "$out/$name/completions"
cp "$program" README.md LICENSE-APACHE LICENSE-MIT "$out/$name/"
"$program" man --out "$out/$name/man" > /dev/null
for shell in bash zsh fish powershell; do
    "$program" completions "$shell" > "$out/$name/completions/simsiam.$shell"
done

# Every crate with its licence, and the texts that lie in its source.
sources=${CARGO_HOME:-$HOME/.cargo}/registry/src
cargo tree --locked --edges normal --prefix none --target "$host" --format '{p}|{l}' | sed 's/ (\*)//' | grep -v '^simsiam ' | sort -u |
while IFS='|' read -r crate licence; do
    crate=${crate%% (*}
    printf '\n==== %s: %s\n' "$crate" "$licence"
    find "$sources"/*/"${crate/ v/-}" -maxdepth 1 -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \) | sort | xargs -r -d '\n' cat
done > "$out/$name/LICENSES-OF-CRATES.txt"

tar -C "$out" -czf "$out/$name.tar.gz" "$name"
(cd "$out" && sha256sum "$name.tar.gz" > "$name.tar.gz.sha256")
ls -l "$out/$name.tar.gz" "$program"
