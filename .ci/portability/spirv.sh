#!/usr/bin/env bash
# SPIR-V through spirv-val: spirv.sh FOLDER_OF_SPIRV_TOOLS KNOWN LIST. LIST has a path a line. Prints a line a file: OK or BAD, path,
# milliseconds (not measured), message. A file refused for KNOWN, explicit layout of types where SPIR-V allows none, is tried again without
# the layout of all types that no buffer has, so that nothing else hides behind it.
tools=$1 known=$2
check() { "$tools/spirv-val" --target-env vulkan1.3 "$1" 2>&1; }
plain=$(mktemp)
while read -r path; do
    verdict=OK
    message=$(check "$path") || verdict=BAD
    if [[ $verdict == BAD && $message == *"$known"* ]]; then
        "$tools/spirv-dis" --raw-id "$path" |
            awk '{ line[NR] = $0 } $2 == "=" && $3 ~ /^OpType(Struct|Array|RuntimeArray)$/ { $1 = $1; parts[$1] = $0 }
                $1 == "OpDecorate" && $3 == "Block" { block[$2] }
                function lay_out(type,   words, i, n) {
                    if (type in laid_out || !(type in parts)) return
                    laid_out[type]
                    n = split(parts[type], words, " ")
                    for (i = 4; i <= n; i++) lay_out(words[i])
                }
                END {
                    for (type in block) lay_out(type)
                    for (i = 1; i <= NR; i++) {
                        split(line[i], word, " ")
                        layout = word[1] == "OpDecorate" && word[3] == "ArrayStride" || word[1] == "OpMemberDecorate" && word[4] == "Offset"
                        if (!layout || word[2] in laid_out) print line[i]
                    }
                }' |
            "$tools/spirv-as" --preserve-numeric-ids --target-env vulkan1.3 -o "$plain" - &&
            second=$(check "$plain") && verdict=OK message=$known || message="${second:-cannot be written again}"
    fi
    printf '%s\t%s\t0\t%s\n' "$verdict" "$path" "$(tr '\n\t' '  ' <<<"$message" | cut -c 1-400)"
done <"$3"
rm -f "$plain"
exit 0
