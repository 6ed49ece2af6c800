#!/usr/bin/env bash
# Every step that installs something, for Docker, CI, vehicles and people alike.
#
#   docker/install.sh apt        what Debian or Ubuntu must provide (as root it installs, else it prints the line)
#   docker/install.sh ros        $ROS_DISTRO from packages.ros.org unless it is there, and the message packages of the stack
#   docker/install.sh stack      the Python environment .venv with the `autonomy` command
#   docker/install.sh browser    Chromium, with which tests look at the pages of reports
#   docker/install.sh gpu        on a Jetson: pycuda, built against JetPack's CUDA; TensorRT's Python comes with JetPack
#   docker/install.sh release    this checkout below $PREFIX/releases, then drive with it: docs/deployment.md
#   docker/install.sh rollback   drive with the release before, as it was
set -euo pipefail
cd "$(dirname "$0")/.."

PREFIX=${PREFIX:-/opt/autonomy_nodes}
APT=(python3 python3-venv python3-dev make gcc g++ ca-certificates)
MESSAGES=(ackermann-msgs autoware-adapi-v1-msgs autoware-control-msgs autoware-map-msgs autoware-perception-msgs
  autoware-planning-msgs autoware-vehicle-msgs diagnostic-msgs grid-map-msgs sensor-msgs-py tf2-msgs visualization-msgs)

apt_install() {
  local missing=() name
  for name in "$@"; do
    dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    echo "install with: sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
    return 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}

# The source of packages.ros.org, with the key that ROS publishes for it.
ros_source() {
  local codename keyring=/usr/share/keyrings/ros-archive-keyring.gpg
  apt_install ca-certificates curl
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && echo "${UBUNTU_CODENAME:-$VERSION_CODENAME}")
  curl -fsSL https://raw.githubusercontent.com/ros/rosdistro/master/ros.key -o "$keyring"
  echo "deb [arch=$(dpkg --print-architecture) signed-by=$keyring] http://packages.ros.org/ros2/ubuntu $codename main" \
    >/etc/apt/sources.list.d/ros2.list
}

# Make a link point elsewhere in one step, so that nobody ever finds it missing.
point() { # point LINK TARGET
  ln -sfn "$2" "$1.new"
  mv -T "$1.new" "$1"
}

# Drive with another release from now on; the one of before can be rolled back to.
drive_with() { # drive_with FOLDER
  if [ ! -x "$1/.venv/bin/autonomy" ]; then
    echo "$1 holds no whole release: run docker/install.sh release" >&2
    return 1
  fi
  if [ -L "$PREFIX/current" ] && [ "$(readlink "$PREFIX/current")" != "$1" ]; then
    point "$PREFIX/previous" "$(readlink "$PREFIX/current")"
  fi
  point "$PREFIX/current" "$1"
  echo "drives with $1 from its next start on: sudo systemctl restart autonomy"
}

case "${1:-}" in
  apt)
    # a Python that is already there (python:3.x images, pyenv) brings its own headers and venv
    if python3 -c 'import ensurepip, sysconfig, pathlib, sys
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' 2>/dev/null; then
      APT=(make gcc g++ ca-certificates)
    fi
    apt_install "${APT[@]}"
    ;;
  ros)
    if [ ! -d "/opt/ros/${ROS_DISTRO:?set ROS_DISTRO to humble, jazzy or kilted}" ]; then
      ros_source
      apt_install "ros-$ROS_DISTRO-ros-base"
    fi
    apt_install "${MESSAGES[@]/#/ros-$ROS_DISTRO-}"
    ;;
  stack)
    # EXTRAS is a list of words
    # shellcheck disable=SC2086
    python3 bootstrap/environment.py ${EXTRAS:-sim}
    ;;
  browser)
    apt_install chromium fonts-dejavu-core
    ;;
  gpu)
    PATH="${CUDA_HOME:-/usr/local/cuda}/bin:$PATH" .venv/bin/python -m pip install pycuda
    ;;
  release)
    name=${RELEASE:-$(git describe --always --dirty=+ --abbrev=12)}
    place=$PREFIX/releases/$name
    if [ -x "$place/.venv/bin/autonomy" ]; then
      echo "$name is installed already"
    else
      rm -rf "$place"
      mkdir -p "$place"
      git ls-files -z | xargs -0 cp --parents -t "$place"
      "$place/docker/install.sh" stack # in its own place: an environment cannot be moved
    fi
    drive_with "$place"
    ;;
  rollback)
    if [ ! -L "$PREFIX/previous" ]; then
      echo "$PREFIX/previous is not there: nothing was driven with before" >&2
      exit 1
    fi
    drive_with "$(readlink "$PREFIX/previous")"
    ;;
  *)
    sed -n '2,11s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
