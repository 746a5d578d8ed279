#!/usr/bin/env bash
# For maintainers: writes the two files that say what install_caffe.sh installs.
#   lock_caffe.sh MIRROR            scripts/caffe.lock, from a Debian mirror's signed index
#   lock_caffe.sh --wheels PREFIX   scripts/caffe-requirements.txt, from a finished Caffe in PREFIX
# Needs apt-get and Debian's archive keyring; no root.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)

# What is wanted, with all it depends on.
WANT=(
  python3-caffe caffe                # pycaffe and its programs
  libopenblas0-pthread               # the fast BLAS, not the reference one
  python3-lmdb python3-distutils     # pycaffe's users write LMDBs; pip needs distutils
  patchelf                           # makes the folder relocatable
  python-pip-whl                     # an old pip, only to install the new one
)
# What apt shall take as installed already, so that it brings neither it nor its dependencies.
HAVE=(
  libc6                              # the host's: a process has one C library, and the newest must win
  dpkg debconf mime-support media-types mariadb-common odbcinst fontconfig-config readline-common
                                     # for maintainer scripts and /etc, which are not used here
  ca-certificates tzdata proj-data gdal-data     # data that Caffe never reads
  cython3 python3-ipython python3-matplotlib python3-nose python3-pandas python3-gflags python3-dateutil
                                     # for Caffe's notebooks; a newer matplotlib comes as a wheel
)
# The wheels: what tests, training and `run --compat` need, and what builds this package without a network.
WHEELS=(pip pytest pytest-xdist hypothesis tqdm 'matplotlib<3.7' pooch fissix hatchling editables   # 3.7 wants numpy 1.20
  'opencv-python-headless<4.5.2')    # for the layers of images: of the version that Caffe is built with

lock_debs() {
  local mirror=${1%/} tmp package
  tmp=$(mktemp -d)
  # shellcheck disable=SC2064  # the folder of now, not of later
  trap "rm -rf '$tmp'" EXIT
  mkdir -p "$tmp"/etc/{none,preferences.d} "$tmp/state/lists/partial" "$tmp/cache/archives/partial"
  for package in "${HAVE[@]}"; do
    printf '%s\n' "Package: $package" 'Status: install ok installed' 'Architecture: amd64' \
      'Multi-Arch: foreign' 'Maintainer: none' 'Version: 999' 'Description: taken as installed' ''
  done >"$tmp/state/status"
  echo "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bullseye main" \
    >"$tmp/etc/sources.list"
  {
    apt-config dump Acquire    # keeps the host's proxy
    cat <<CONF
Dir "$tmp"; Dir::Etc "$tmp/etc"; Dir::Etc::parts "none"; Dir::Etc::sourceparts "none";
Dir::State "$tmp/state"; Dir::State::status "$tmp/state/status"; Dir::Cache "$tmp/cache"; Dir::Log "$tmp";
APT::Architecture "amd64"; APT::Architectures { "amd64"; };
APT::Install-Recommends "false"; APT::Install-Suggests "false"; APT::Sandbox::User "$(id -un)";
Acquire::Languages { "none"; }; Acquire::ForceHash "SHA256";
CONF
  } >"$tmp/etc/apt.conf"
  export APT_CONFIG=$tmp/etc/apt.conf
  apt-get -qq -o APT::Update::Error-Mode=any update
  apt-get -qq -y --print-uris install "${WANT[@]}" |
    awk -v base="$mirror/" '{
      gsub(/\x27/, "", $1); sub(/^SHA256:/, "", $4)
      if (index($1, base) != 1 || length($4) != 64) { print "unexpected: " $0 >"/dev/stderr"; exit 1 }
      print $4, $3, substr($1, length(base) + 1)
    }' | LC_ALL=C sort -k3 >"$tmp/lock"
  mv "$tmp/lock" "$here/caffe.lock"
  wc -l "$here/caffe.lock"
}

# pip resolves for the very Python that will run the wheels. What Debian brings is a constraint, and
# is left out of the result.
lock_wheels() {
  local python=$1/bin/python
  "$python" - "${WHEELS[@]}" >"$here/caffe-requirements.txt.new" <<'PYTHON'
import importlib.metadata, json, os, subprocess, sys, tempfile
import numpy

dist_packages = os.path.dirname(os.path.dirname(numpy.__file__))
debian = {d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions(path=[dist_packages])}
with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
    constraints.writelines("%s==%s\n" % item for item in debian.items())
    constraints.flush()
    report = json.loads(subprocess.check_output(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--dry-run", "--ignore-installed", "--only-binary", ":all:", "--report", "-",
         "--constraint", constraints.name] + sys.argv[1:]))
wheels = {i["metadata"]["name"].lower(): i for i in report["install"]}

print("# What pip puts into the Caffe that install_caffe.sh makes: wheels for Python 3.9, x86-64.\n"
      "# Written by `scripts/lock_caffe.sh --wheels .caffe`. Not here, because Debian's stay:\n"
      "# numpy, protobuf, Pillow, PyYAML, h5py, lmdb, scipy, scikit-image and six.")
for name in sorted(set(wheels) - set(debian)):
    digest = wheels[name]["download_info"]["archive_info"]["hashes"]["sha256"]
    print("%s==%s --hash=sha256:%s" % (name, wheels[name]["metadata"]["version"], digest))
PYTHON
  mv "$here/caffe-requirements.txt.new" "$here/caffe-requirements.txt"
  wc -l "$here/caffe-requirements.txt"
}

case $#:${1-} in
  2:--wheels) lock_wheels "$2" ;;
  1:[!-]*)    lock_debs "$1" ;;
  *)          sed -n '2,/^set/{/^# /s/^# //p}' "$0" >&2; exit 1 ;;
esac
