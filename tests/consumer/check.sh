#!/usr/bin/env bash
# check.sh STATIC_BUILD: users of sigmax, each built and run: static and shared, installed and as a subdirectory, through
# CMake and pkg-config, in C++ and C. Also the list of what is installed, that nothing of it is left afterwards, and the
# Debian packages. STATIC_BUILD is a finished build of the static library.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
static_build=$(cd "$1" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

programs() {  # DIRECTORY: runs all that it has
  local program
  for program in "$1"/consumer "$1"/consumer_c; do "$program"; done
}

# KIND PREFIX MANIFEST: what is installed is what installed.txt says for that kind, and the manifest is complete.
files() {
  (cd "$2" && find . ! -type d | sed 's|^\./||' | sort) >"$scratch/found"
  sed "s|^$2/||" "$3" | sort | diff - "$scratch/found"
  sed 's|[0-9]\+\.[0-9]\+\(\.[0-9]\+\)\?|VERSION|; s|^lib/[a-z0-9_]*-linux-gnu/|lib/|' "$scratch/found" |
    sed 's|cmake/sigmax/sigmaxTargets-[a-z]*\.cmake|cmake/sigmax/sigmaxTargets-CONFIGURATION.cmake|' |
    LC_ALL=C sort | diff <(grep "^$1 " "$here/installed.txt" | cut -d ' ' -f 2 | LC_ALL=C sort) -
}

through_pkg_config() {  # PREFIX [--static]
  command -v pkg-config >/dev/null || { echo 'pkg-config: skipped, there is none'; return; }
  PKG_CONFIG_PATH=$(dirname "$(find "$1" -name sigmax.pc)")
  export PKG_CONFIG_PATH
  local out=$scratch/pkg-config
  mkdir -p "$out"
  # shellcheck disable=SC2046  # flags
  {
    c++ -std=c++20 "$here/main.cpp" -o "$out/consumer" $(pkg-config "${@:2}" --cflags --libs sigmax)
    cc -std=c11 "$here/main.c" -o "$out/consumer_c" $(pkg-config "${@:2}" --cflags --libs sigmax) -lm
  }
  LD_LIBRARY_PATH=$(pkg-config --variable=libdir sigmax) programs "$out"
}

check() {  # KIND BUILD [--static]: installs, uses, removes
  local kind=$1 build=$2 prefix=$scratch/$1
  cmake --install "$build" --prefix "$prefix" >/dev/null
  files "$kind" "$prefix" "$build/install_manifest.txt"
  cmake -S "$here" -B "$scratch/find_$kind" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
  cmake --build "$scratch/find_$kind"
  programs "$scratch/find_$kind"
  through_pkg_config "$prefix" "${@:3}"
  xargs rm <"$build/install_manifest.txt"
  [[ -z $(find "$prefix" ! -type d) ]] || { echo "files of $kind are left"; return 1; }
}

check static "$static_build" --static

# As a subdirectory, shared, with the row that every machine has, in a project whose flags the library has to take back;
# that build is then installed, too.
flags='-ffast-math -flto'
[[ $(uname -m) == x86_64 ]] && flags+=' -mfma -mf16c'
cmake -S "$here" -B "$scratch/subdirectory" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON \
  -DCMAKE_CXX_FLAGS="$flags" -DCMAKE_UNITY_BUILD=ON -DCMAKE_COMPILE_WARNING_AS_ERROR=ON \
  -DSIGMAX_CUDA=OFF -DSIGMAX_ONLY_ISA="sse2;neon64" -DSIGMAX_SOURCE="$top" -DCMAKE_PREFIX_PATH="$top/.deps/usr" >/dev/null
cmake --build "$scratch/subdirectory"
programs "$scratch/subdirectory"
for row in "$scratch"/subdirectory/sigmax/CMakeFiles/sigmax_cpu_*.dir; do
  name=${row##*/sigmax_cpu_}
  "$top/tests/isa_object.sh" "${name%.dir}" "$row"/cpu/*.o
done
check shared "$scratch/subdirectory"

if command -v dpkg-deb >/dev/null; then
  (cd "$scratch" && cpack -G DEB --config "$static_build/CPackConfig.cmake" >/dev/null)
  for package in "$scratch"/*.deb; do dpkg-deb --info "$package" && dpkg-deb --contents "$package"; done
  [[ $(dpkg-deb --contents "$scratch"/libsigmax-dev_*.deb | grep -c '\.\(h\|hpp\|a\|pc\|cmake\)$') -ge 8 ]]
fi

# CMake's default generator asks for more than Ninja does, where there is nvcc; configuring shows it.
if command -v make >/dev/null; then
  cmake -S "$here" -B "$scratch/make" -G 'Unix Makefiles' -DSIGMAX_SOURCE="$top" -DCMAKE_PREFIX_PATH="$top/.deps/usr" \
    >/dev/null
fi
