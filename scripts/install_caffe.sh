#!/usr/bin/env bash
# A real Caffe in one folder: BVLC Caffe 1.0 with pycaffe and Python layers, for the CPU, as Debian 11
# built it, from the packages that caffe.lock names. Run with --help.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: install_caffe.sh [options] [PREFIX]

Installs BVLC Caffe 1.0 (Python 3.9, numpy 1.19.5, CPU) into PREFIX, by default .caffe beside the
scripts folder. No root; nothing outside PREFIX, but PREFIX.part until it is done. The folder can be
moved. A second run does nothing, unless what is to be installed has changed: then PREFIX is made
anew, without what you had installed into it.

  PREFIX/bin/python -c 'import caffe'
  PREFIX/bin/python -m pip install PACKAGE
  PREFIX/bin/caffe train --solver=solver.prototxt
  PREFIX/bin/caffe-pylayers check     (once caffe-pylayers is installed into it)

options:
  --mirror URL   a Debian mirror that carries Debian 11, such as https://mirror.example/debian;
                 may be given several times; by default those that apt uses on this machine
  --apt DIR      apt's configuration (default: /etc/apt)
  --lock FILE    the packages (default: caffe.lock beside this script)
  -h, --help     this text
TEXT
}

say() { echo "install_caffe: $*"; }
die() { echo "install_caffe: $*" >&2; exit 1; }
has() { command -v "$1" >/dev/null; }

# --- what the host must have -------------------------------------------------------------------

check_host() {
  local libc tool list missing=()
  [[ $(uname -sm) == 'Linux x86_64' ]] || die "needs Linux on x86-64; this is $(uname -sm)"
  libc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || libc='another C library'
  [[ $libc == glibc\ * && $(printf '2.31\n%s\n' "${libc#glibc }" | sort -V | head -n1) == 2.31 ]] ||
    die "needs glibc 2.31 or newer; this is $libc"
  for tool in awk find flock grep sed sha256sum tar xargs; do
    has "$tool" || missing+=("$tool")
  done
  has curl || has wget || missing+=('curl (or wget)')
  has dpkg-deb || { has ar && has xz; } || missing+=('dpkg-deb (or ar and xz)')
  printf -v list ', %s' "${missing[@]}"
  ((${#missing[@]} == 0)) || die "needs these programs: ${list:2}"
}

# --- mirrors -----------------------------------------------------------------------------------

# Debian's mirrors among apt's sources. Both formats of apt become lines "URI SUITE" first.
apt_mirrors() {
  local uri
  # shellcheck disable=SC2016  # awk's
  find -H "$apt" \( -path "$apt/sources.list" -o -path "$apt/sources.list.d/*.list" -o \
    -path "$apt/sources.list.d/*.sources" \) -exec awk '
      function flush(   i, j, m, n, uri, suite) {
        if (field["enabled"] !~ /no|false/ && field["types"] ~ /deb( |$)/) {
          m = split(field["uris"], uri, " "); n = split(field["suites"], suite, " ")
          for (i = 1; i <= m; i++) for (j = 1; j <= n; j++) print uri[i], suite[j]
        }
        split("", field)
      }
      /^#/           { next }
      $1 == "deb"    { sub(/\[[^]]*\]/, ""); print $2, $3; next }
      /^[ \t]*$/     { flush(); next }
      /^[^ \t:]+:/   { key = tolower($0); sub(/:.*/, "", key); sub(/^[^:]*:/, "") }
                     { field[key] = field[key] " " $0 }
      END            { flush() }' {} \; 2>/dev/null |
  awk '
    $2 ~ /^((old)*stable|testing|unstable|sid|bullseye|bookworm|trixie|forky|duke)(-updates)?\/?$/ &&
    $1 !~ /security/ { print $1 }' |
  while read -r uri; do
    case $uri in
      mirror+file:*) cat "${uri#mirror+file:}" || true ;;   # a list of mirrors, as on Debian's cloud images
      *)             echo "$uri" ;;
    esac
  done | awk '/^https?:/ { sub(/\/$/, "", $1); if (!seen[$1]++) print $1 }'
}

# --- downloads ---------------------------------------------------------------------------------

# A download is called SHA256.part until it is known to be whole, then SHA256.deb.
sort_out() {
  local sum file
  find . -type f -exec sha256sum {} + | while read -r sum file; do
    case $file in
      "./$sum.deb")  ;;
      "./$sum.part") mv "$file" "$sum.deb" ;;
      *)             rm -f "$file" ;;
    esac
  done
}

missing() {  # "SHA256 path" of each file that is not here
  local sum path
  while read -r sum _ path; do
    [[ -f $sum.deb ]] || echo "$sum $path"
  done <"$lock"
}

curl=(curl --fail --silent --show-error --location --globoff
  --connect-timeout 20 --speed-time 30 --speed-limit 1000)
wget=(wget -nv --timeout=30 --tries=2)

# Many at once over kept-alive connections. The first failure ends it: the next mirror may be better.
get_many() {  # MIRROR <missing
  if has curl; then
    awk -v mirror="$1" '{ printf "url = \"%s/%s\"\noutput = \"%s.part\"\n", mirror, $2, $1 }' |
      "${curl[@]}" --parallel --parallel-max 8 --fail-early --config -
  else
    # shellcheck disable=SC2016  # for the inner shell; 255 ends xargs
    awk -v mirror="$1" '{ print $1 ".part", mirror "/" $2 }' |
      xargs -P 8 -L 1 sh -c '"$@" || exit 255' sh "${wget[@]}" -O
  fi 2>/dev/null
}

get_one() {  # URL FILE; prints what went wrong
  if has curl; then "${curl[@]}" --output "$2" "$1"; else "${wget[@]}" -O "$2" "$1"; fi 2>&1 | tail -n1
}

download() (
  mkdir -p "$work/debs"
  cd "$work/debs"
  sort_out
  tried=''
  for mirror in "${mirrors[@]}"; do
    todo=$(missing)
    [[ ! $todo ]] || say "fetching $(wc -l <<<"$todo") packages from $mirror"
    while [[ $todo ]]; do
      get_many "$mirror" <<<"$todo" || true
      sort_out
      # If one is still missing, asking for it alone cures a passing fault, or tells the reason.
      read -r sum path < <(missing) || return 0
      if why=$(get_one "$mirror/$path" "$sum.part"); then why='arrived with a wrong SHA-256'; fi
      sort_out
      [[ -f $sum.deb ]] || break
      todo=$(missing)
    done
    [[ $todo ]] || return 0
    tried+=$'\n'"  $mirror: $path: $why"
  done
  die "no mirror gave all packages; --mirror URL names another$tried"
)

# --- from packages to a Caffe ------------------------------------------------------------------

unpack() {
  # shellcheck disable=SC2016  # expands in the inner shell
  cut -d' ' -f1 "$lock" | (cd "$work/debs" && xargs -P "$(nproc)" -I{} bash -c '
    set -o pipefail
    if command -v dpkg-deb >/dev/null; then dpkg-deb --fsys-tarfile "$0"; else ar p "$0" data.tar.xz | xz -d; fi |
      tar -x -C ../tree --no-same-owner --no-same-permissions --exclude=./usr/include \
        --exclude="./usr/share/"{doc,man,info,lintian,locale}' {}.deb) ||
    die "cannot unpack the packages into $tree"
}

# What ldconfig and update-alternatives do on a system: tell where the libraries are, and which BLAS.
# DT_RPATH in the started programs serves all they load, comes before LD_LIBRARY_PATH, and unlike that
# does not reach the programs which they start.
relocate() {
  # shellcheck disable=SC2016  # $ORIGIN is for the loader
  local lib=$tree/usr/lib/x86_64-linux-gnu up='$ORIGIN/..'
  local patchelf=(env "LD_LIBRARY_PATH=$lib:$tree/lib/x86_64-linux-gnu" "$tree/usr/bin/patchelf") rpath
  rpath=$up/lib/x86_64-linux-gnu/openblas-pthread:$up/lib/x86_64-linux-gnu:$up/../lib/x86_64-linux-gnu:$up/lib
  grep -lZ libcaffe.so "$tree"/usr/bin/* |
    xargs -0 "${patchelf[@]}" --force-rpath --set-rpath "$rpath" "$tree/usr/bin/python3.9"
  "${patchelf[@]}" --remove-rpath "$lib"/openblas-pthread/lib{blas,lapack}.so.3   # they lead to the host's
  # Nothing from outside: no link into the host's /etc, no packages of another Python 3.9 in the home.
  rm -f "$tree/usr/lib/python3.9/sitecustomize.py"
  sed -i 's/^ENABLE_USER_SITE = None/ENABLE_USER_SITE = False/' "$tree/usr/lib/python3.9/site.py"

  mkdir -p "$tree/bin"
  # OpenBLAS of 2020 does not know newer Intel processors, and takes its slowest code for them: half the speed of what
  # it takes for those it knows.
  cat >"$tree/bin/openblas.sh" <<'SH'
if [ -z "$OPENBLAS_CORETYPE" ] && grep -qm1 GenuineIntel /proc/cpuinfo; then
  case " $(grep -m1 '^flags' /proc/cpuinfo) " in
    *" avx512f "*) export OPENBLAS_CORETYPE=SkylakeX ;;
    *" avx2 "*) export OPENBLAS_CORETYPE=Haswell ;;
  esac
fi
SH
  cat >"$tree/bin/python" <<'SH'
#!/bin/sh
here=$(dirname "$(dirname "$(readlink -f "$0")")")
. "$here/bin/openblas.sh"
unset PYTHONHOME VIRTUAL_ENV    # another Python's; Debian's would install where it does not look later
exec "$here/usr/bin/python3.9" "$@"
SH
  cat >"$tree/bin/caffe" <<'SH'
#!/bin/sh
here=$(dirname "$(dirname "$(readlink -f "$0")")")
. "$here/bin/openblas.sh"
export PYTHONHOME="$here/usr"   # the Python inside caffe would take the host's library
exec "$here/usr/bin/caffe" "$@"
SH
  # What pip writes for it names this folder, which will move.
  cat >"$tree/bin/caffe-pylayers" <<'SH'
#!/bin/sh
exec "$(dirname "$(readlink -f "$0")")/python" -m caffe_pylayers "$@"
SH
  chmod +x "$tree"/bin/{python,caffe,caffe-pylayers}
}

# The only pip among the packages is an old one that runs from its wheel. It installs the new one too.
add_wheels() {
  local wheels=$tree/usr/share/python-wheels cert=/etc/pki/tls/certs/ca-bundle.crt pip
  pip=$(echo "$wheels"/pip-*.whl)/pip
  # It takes the certificates from where Debian keeps them.
  [[ -f /etc/ssl/certs/ca-certificates.crt || ! -f $cert ]] || export PIP_CERT=${PIP_CERT:-$cert}
  PIP_REQUIRE_VIRTUALENV=0 "$tree/bin/python" "$pip" -qq --disable-pip-version-check \
    install --system --no-deps --ignore-installed --no-compile --no-warn-script-location --only-binary :all: \
    --require-hashes -r "$requirements" || die "cannot install $requirements"
  # Their scripts name this folder, which will move; `python -m` does the same.
  rm -rf "$wheels" "$tree/usr/local/bin"
}

check() {
  "$tree/bin/python" - <<'PY' && "$tree/bin/caffe" --version >/dev/null
import platform, numpy, pytest, caffe
assert "Python" in caffe.layer_type_list(), "this Caffe has no Python layer"
assert numpy.__version__ == "1.19.5", "numpy is " + numpy.__version__
print("Caffe %s, Python %s, numpy %s" % (caffe.__version__, platform.python_version(), numpy.__version__))
PY
}

# -----------------------------------------------------------------------------------------------

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
lock=$here/caffe.lock requirements=$here/caffe-requirements.txt apt=/etc/apt prefix='' mirrors=()
while (($#)); do
  case $1 in
    -h | --help) usage; exit ;;
    --mirror | --apt | --lock)
      [[ ${2-} ]] || die "$1 wants a value"
      case $1 in --mirror) mirrors+=("${2%/}") ;; --apt) apt=${2%/} ;; --lock) lock=$2 ;; esac
      shift 2 ;;
    -*) die "no option $1; see --help" ;;
    *) [[ ! $prefix ]] || die "one PREFIX, not two: $prefix and $1"; prefix=$1; shift ;;
  esac
done

check_host
[[ -r $lock ]] || die "no lock file $lock"
lock=$(realpath -- "$lock")
prefix=$(realpath -m -- "${prefix:-$here/../.caffe}")
[[ $prefix != *[:\$]* ]] || die "PREFIX must hold neither ':' nor '\$', which Python takes for its own: $prefix"
work=$prefix.part tree=$prefix.part/tree
stamp=$(cat "$lock" "$requirements" "$0" | sha256sum)
unset PYTHONPATH PIP_PREFIX PIP_TARGET    # they would lead elsewhere

finished() { [[ $(cat "$prefix/.stamp" 2>/dev/null) == "$stamp" ]] && say "$prefix is up to date"; }

if finished; then exit; fi
[[ ! -e $prefix || -e $prefix/.stamp ]] || rmdir "$prefix" 2>/dev/null ||
  die "$prefix is in use and was not made by this script; remove it or choose another PREFIX"
((${#mirrors[@]})) || mapfile -t mirrors < <(apt_mirrors)
((${#mirrors[@]})) || die "apt names no Debian mirror in $apt; choose one with" \
  "--mirror URL (any that carries Debian 11, such as https://mirror.example/debian)"

mkdir -p "$work"
exec 9>"$work/lock"
flock -n 9 || { say "waiting for another run"; flock 9; }
cleanup() {    # what was fetched stays until it is installed, for a second attempt
  rm -rf "$tree"
  rmdir "$work/debs" 2>/dev/null || true
  [[ -e $work/debs ]] || rm -rf "$work"
}
trap cleanup EXIT
if finished; then exit; fi

download
say "unpacking"
rm -rf "$tree"
mkdir -p "$tree"
unpack
relocate
say "adding wheels"
add_wheels
found=$(check) || die "the Caffe in $tree does not work"
echo "$stamp" >"$tree/.stamp"
[[ ! -e $prefix ]] || mv -T "$prefix" "$work/old"
mv -T "$tree" "$prefix"
rm -rf "$work"    # the packages too: fetching them again is quicker than giving them 120 MB for ever
say "$found in $prefix ($(du -sm "$prefix" | cut -f1) MB, $SECONDS s)"
