#!/bin/sh
# Brings the packages that sigmax needs into .deps/, without root. See --help.
set -eu

usage() {
  cat <<'END'
usage: cmake/deps.sh [--peers] [--qemu] [--riscv] [--fit] [--mpi] [--plot] [--docs]

Unpacks the build dependencies under .deps/usr, where the CMake presets look for them. Needs no
root and changes nothing outside .deps/. A second run with nothing new to do ends at once.

  --peers   also the libraries that the benchmark can compare with (oneDNN, XNNPACK, SLEEF, Eigen)
  --qemu    also qemu-user and a cross compiler for aarch64, to run the rows of other machines
  --riscv   also qemu-user, and clang 19 with the libraries of riscv64, for the rows of RISC-V
  --fit     also sollya, to compare the polynomials' coefficients with what kernels/fit prints
  --mpi     also Open MPI, for the test of softmax over several processes
  --plot    also gnuplot, which draws the benchmark's figures
  --docs    also doxygen, for the target `docs`
  --help    this text

An option stays chosen in later runs; remove .deps/ to start again.
END
}

say() { printf 'deps: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

# --- what is wanted: package names of Debian. What they depend on comes along by itself. ---------
xsimd_package=libxsimd-dev
xsimd_minimum=14.3
xsimd_suites='own testing sid'  # the first that has the minimum; "own" is the machine's
base='libgtest-dev libbenchmark-dev libcli11-dev nlohmann-json3-dev libfmt-dev'
peers='libdnnl-dev libxnnpack-dev libpthreadpool-dev libsleef-dev libeigen3-dev'
qemu='qemu-user-static g++-aarch64-linux-gnu'
riscv='qemu-user-static clang-19 binutils-riscv64-linux-gnu libstdc++-12-dev-riscv64-cross'
fit=sollya
mpi='libopenmpi3 openmpi-common'
mpi_alone='openmpi-bin libopenmpi-dev'  # without what they depend on: ssh, three Fortran compilers
plot=gnuplot-nox
docs=doxygen
assumed='g++ apt'  # with all that they depend on: already on the machine, so never unpacked

root=$(cd "$(dirname "$0")/.." && pwd)
deps=$root/.deps
groups=' '
[ ! -r "$deps/groups" ] || groups=$(cat "$deps/groups")
for argument in "$@"; do
  case $argument in
    --peers | --qemu | --riscv | --fit | --mpi | --plot | --docs)
      case $groups in *" ${argument#--} "*) ;; *) groups="$groups${argument#--} " ;; esac ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

wanted=$base alone=
case $groups in *' peers '*) wanted="$wanted $peers" ;; esac
case $groups in *' qemu '*) wanted="$wanted $qemu" ;; esac
case $groups in *' riscv '*) wanted="$wanted $riscv" ;; esac
case $groups in *' fit '*) wanted="$wanted $fit" ;; esac
case $groups in *' mpi '*) wanted="$wanted $mpi" alone=$mpi_alone ;; esac
case $groups in *' plot '*) wanted="$wanted $plot" ;; esac
case $groups in *' docs '*) wanted="$wanted $docs" ;; esac

# The stamp is the wanted list, this script's own text and the system that it ran on.
stamp=$({
  echo "$xsimd_package $xsimd_minimum $wanted $alone $(uname -m)"
  cat "$0" /etc/os-release 2>/dev/null || :
} | sha256sum | cut -d' ' -f1)
if [ -d "$deps/usr" ] && [ "$(cat "$deps/stamp" 2>/dev/null || :)" = "$stamp" ]; then
  say '.deps is up to date'
  exit 0
fi

mkdir -p "$deps"
work=$(mktemp -d "$deps/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- tools ---------------------------------------------------------------------------------------
missing=
printf '#include <concepts>\ntemplate <std::integral T> T f(T x) { return x; }\nint main() { return f(0); }\n' \
  >"$work/probe.cpp"
compiler=
for candidate in ${CXX:-c++ g++ clang++}; do
  if "$candidate" -std=c++20 "$work/probe.cpp" -o "$work/probe" 2>/dev/null; then
    compiler=$candidate
    break
  fi
done
[ -n "$compiler" ] || missing="$missing g++ (or another C++20 compiler; CXX names it),"
cmake_version=$(cmake --version 2>/dev/null | sed -n 's/^cmake version \([0-9]*\.[0-9]*\).*/\1/p')
case ${cmake_version:-none} in
  none | [012].* | 3.[0-9] | 3.1[0-9] | 3.2[0-4]) missing="$missing cmake >= 3.25," ;;
esac
command -v ninja >/dev/null || missing="$missing ninja,"
if [ -n "$missing" ]; then
  fail "missing:${missing%,}. On Debian 12 or later, as root: apt-get install g++ cmake ninja-build git"
fi

# Configures a project that only asks for the dependencies; "$1" is the prefix to look in.
all_found() {
  mkdir -p "$work/check"
  cat >"$work/check/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(check LANGUAGES CXX)
include("$root/cmake/dependencies.cmake")
END
  cmake -S "$work/check" -B "$work/check/build" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_PREFIX_PATH="$1" >"$work/check.log" 2>&1
}

if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
  if all_found "${CMAKE_PREFIX_PATH:-$deps/usr}"; then
    say 'no apt here, but every dependency is already installed'
    exit 0
  fi
  say 'no apt here. Install these, each with its CMake package, then configure with CMAKE_PREFIX_PATH:'
  sed -n 's/^ *sigmax_dependency(\([A-Za-z0-9_]*\) \([0-9.]*\).*/  \1 >= \2/p' \
    "$root/cmake/dependencies.cmake" >&2
  say 'or let CMake fetch them: -DSIGMAX_FETCH_DEPENDENCIES=ON'
  exit 1
fi

# --- apt with its own state, and sources copied from the machine's -------------------------------
# Only the distribution's main archive is kept: no security archive, no backports, no third party.
# Signatures are checked as always, with the keys that the sources name.
architecture=$(dpkg --print-architecture)
archive='^mirror|/(debian|ubuntu|ubuntu-ports)(/[0-9TZ]+)?/*$'

# "$1": a directory to fill; "$2": "own" for the suites as they are, or the suite to ask for instead.
copy_sources() {
  list=/etc/apt/sources.list
  parts=/etc/apt/sources.list.d
  eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
  mkdir -p "$1"
  for file in "$list" "${parts%/}"/*.list; do
    [ -r "$file" ] || continue
    awk -v archive="$archive" -v want="$2" '
      $1 != "deb" { next }
      {
        at = 2
        if ($2 ~ /^\[/) { while (at < NF && $at !~ /\]$/) at++; at++ }
        if ($at !~ archive || $(at + 1) ~ /security|backports/ || !/[ \t]main([ \t]|$)/) next
        place = $at; sub(/\/*$/, "", place)
        if (want != "own") { if (place in seen) next; seen[place]; $(at + 1) = want }
        print
      }' "$file" >"$1/$(basename "$file" .list).list"
  done
  for file in "${parts%/}"/*.sources; do
    [ -r "$file" ] || continue
    awk -v archive="$archive" -v want="$2" '
      function pick(text, kind,   n, word, i, kept) {
        n = split(text, word, /[ \t]+/)
        for (i = 1; i <= n; i++)
          if (word[i] != "" && word[i] !~ /security|backports/ && (kind == "suites" || word[i] ~ archive))
            kept = kept " " word[i]
        return kept
      }
      BEGIN { RS = ""; FS = "\n" }
      {
        split("", value); rest = ""
        for (i = 1; i <= NF; i++) {
          if ($i ~ /^#/) continue
          if ($i ~ /^[A-Za-z-]+:/) {
            field = tolower($i); sub(/:.*/, "", field)
            value[field] = $i; sub(/^[^:]*:/, "", value[field])
          } else value[field] = value[field] " " $i
          if (field !~ /^(types|uris|suites|enabled)$/) rest = rest $i "\n"
        }
        uris = pick(value["uris"], "uris")
        suites = want == "own" ? pick(value["suites"], "suites") : " " want
        if (uris == "" || suites == "" || value["enabled"] ~ /no/) next
        if (value["types"] !~ /deb([ \t]|$)/ || rest !~ /Components:[^\n]*[ \t]main/) next
        if (want != "own") { if (uris in seen) next; seen[uris] }
        printf "Types: deb\nURIs:%s\nSuites:%s\n%s\n", uris, suites, rest
      }' "$file" >"$1/$(basename "$file" .sources).sources"
  done
  find "$1" -size 0 -delete
}

retry() {
  "$@" || { sleep 2; "$@"; } || { sleep 5; "$@"; }
}

# "$1": "own" or a suite. Afterwards `apt-get -c "$work/$1/apt.conf"` sees that suite alone.
open_suite() {
  here=$work/$1
  copy_sources "$here/sources" "$1"
  [ -n "$(ls "$here/sources")" ] || fail 'found no Debian or Ubuntu archive in the apt sources of this machine'
  mkdir -p "$here/lists/partial" "$here/cache/archives/partial"
  : >"$here/status"  # nothing counts as installed: the same packages on every machine
  cat >"$here/apt.conf" <<END
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$here/sources";
Dir::State "$here";
Dir::State::lists "$here/lists";
Dir::State::status "$here/status";
Dir::Cache "$here/cache";
#clear APT::Architectures;
APT::Architectures { "$architecture"; };
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::AllowInsecureRepositories "false";
Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
END
  retry apt-get -qq -c "$here/apt.conf" update </dev/null
}

# Every package that "$2"... need, themselves included, as "$1" sees them.
closure() {
  suite=$1
  shift
  apt-cache -c "$work/$suite/apt.conf" depends --recurse --no-recommends --no-suggests --no-conflicts \
    --no-breaks --no-replaces --no-enhances "$@" | grep '^[a-z0-9]' | sort -u
}

unpack() {
  suite=$1
  shift
  mkdir -p "$work/packages" "$work/root"
  (cd "$work/packages" && retry apt-get -qq -c "$work/$suite/apt.conf" download "$@" </dev/null)
  for package in "$work/packages"/*.deb; do
    dpkg -x "$package" "$work/root"
    rm "$package"
  done
}

say "reading the package lists of this machine's suite"
open_suite own
# shellcheck disable=SC2086  # a list of names
closure own $assumed >"$work/assumed"
# shellcheck disable=SC2046,SC2086  # lists of names
{
  closure own $wanted | grep -vxF -f "$work/assumed" >"$work/names"
  for name in $alone; do echo "$name" >>"$work/names"; done
  for name in $wanted; do grep -qxF "$name" "$work/names" || fail "this machine's suite has no package $name"; done
  say "unpacking $(wc -l <"$work/names") packages"
  unpack own $(cat "$work/names")
}

found=
for suite in $xsimd_suites; do
  [ "$suite" = own ] || open_suite "$suite" || { say "no suite $suite in the archive"; continue; }
  version=$(apt-cache -c "$work/$suite/apt.conf" show --no-all-versions "$xsimd_package" 2>/dev/null |
    sed -n 's/^Version: //p')
  if [ -n "$version" ] && dpkg --compare-versions "$version" ge "$xsimd_minimum"; then
    say "unpacking $xsimd_package $version ($suite)"
    unpack "$suite" "$xsimd_package"
    found=yes
    break
  fi
done
[ -n "$found" ] || fail "no suite has $xsimd_package >= $xsimd_minimum. Configure with -DSIGMAX_FETCH_DEPENDENCIES=ON to fetch it instead."

# --- make the cross tools work where they lie ----------------------------------------------------
cross() {  # TRIPLET
  # binutils look for their own libraries in the system's folders only: tell them.
  for tool in "$work/root/usr/bin/$1"-*; do
    case $tool in *-g++* | *-gcc* | *-cpp* | *-gcov* | *-lto-*) continue ;; esac
    [ ! -L "$tool" ] || continue
    mv "$tool" "$tool.bin"
    cat >"$tool" <<END
#!/bin/sh
self=\$(readlink -f "\$0")
LD_LIBRARY_PATH=\${self%/bin/*}/lib/$(uname -m)-linux-gnu exec "\$self.bin" "\$@"
END
    chmod +x "$tool"
  done
  # libc.so is a linker script with absolute paths: the linker also finds bare names beside it.
  for script in "$work/root/usr/$1"/lib/lib*.so "$work/root/usr/$1"/lib/lib*.a; do
    if grep -qaF 'GNU ld script' "$script"; then
      sed -i "s|/usr/$1/lib/||g" "$script"
    fi
  done
}
case $groups in
  *' qemu '*) cross aarch64-linux-gnu ;;
esac
case $groups in
  *' mpi '*)
    # Open MPI knows where it was installed: tell it where it lies. Debian's folder for linking, openmpi/lib/, lacks the
    # libraries that libmpi.so needs; the one above has all.
    triplet=$(uname -m)-linux-gnu
    ln -s libmpi.so.40 "$work/root/usr/lib/$triplet/libmpi.so"
    ln -s openmpi/lib/openmpi3 "$work/root/usr/lib/$triplet/openmpi3"
    for tool in mpicxx mpiexec; do
      cat >"$work/root/usr/bin/$tool" <<END
#!/bin/sh
self=\$(readlink -f "\$0")
root=\${self%/usr/bin/*}
export OPAL_PREFIX="\$root/usr" OPAL_LIBDIR="\$root/usr/lib/$triplet"
export LD_LIBRARY_PATH="\$OPAL_LIBDIR:\$root/lib/$triplet\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
exec "\$self.openmpi" "\$@"
END
      chmod +x "$work/root/usr/bin/$tool"
    done ;;
esac

# wrap NAME PROGRAM: usr/bin/NAME starts PROGRAM beside it, which looks for its libraries in the system's folders only.
wrap() {
  cat >"$work/root/usr/bin/$1" <<END
#!/bin/sh
self=\$(readlink -f "\$0")
root=\${self%/usr/bin/*}
export LD_LIBRARY_PATH="\$root/usr/lib/$(uname -m)-linux-gnu:\$root/lib/$(uname -m)-linux-gnu\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
exec "\${self%/*}/$2" "\$@"
END
  chmod +x "$work/root/usr/bin/$1"
}
case $groups in
  *' riscv '*)
    cross riscv64-linux-gnu
    for name in clang clang++; do
      rm "$work/root/usr/bin/$name-19"
      wrap "$name-19" "../lib/llvm-19/bin/$name"
    done ;;
esac
case $groups in
  *' plot '*) wrap gnuplot gnuplot-nox ;;  # Debian names it by its variant
esac
case $groups in
  *' docs '*)
    mv "$work/root/usr/bin/doxygen" "$work/root/usr/bin/doxygen.bin"
    wrap doxygen doxygen.bin ;;
esac

# --- check, then put in place --------------------------------------------------------------------
if ! all_found "$work/root/usr"; then
  cat "$work/check.log" >&2
  fail 'unpacked, but CMake does not find everything'
fi
for entry in "$work/root"/*; do
  rm -rf "${deps:?}/$(basename "$entry")"
  mv "$entry" "$deps/"
done
echo "$groups" >"$deps/groups"
echo "$stamp" >"$deps/stamp"
say 'done'
