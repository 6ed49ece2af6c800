#!/usr/bin/env bash
# Every step that installs something, for Docker, CI and people alike.
#
#   docker/install.sh apt     what Debian or Ubuntu must provide (as root it installs, else it prints the line)
#   docker/install.sh ros     on top of a sourced ROS 2: its message packages, from apt
#   docker/install.sh stack   the Python environment .venv with the `autonomy` command
#   docker/install.sh browser  Chromium, with which tests look at the pages of reports
#   docker/install.sh gpu     on a Jetson: pycuda, built against JetPack's CUDA; TensorRT's Python comes with JetPack
set -euo pipefail
cd "$(dirname "$0")/.."

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
    apt_install "${MESSAGES[@]/#/ros-${ROS_DISTRO:?source a ROS 2 first}-}"
    ;;
  stack)
    python3 bootstrap/environment.py ${EXTRAS:-sim}
    ;;
  browser)
    apt_install chromium fonts-dejavu-core
    ;;
  gpu)
    PATH="${CUDA_HOME:-/usr/local/cuda}/bin:$PATH" .venv/bin/python -m pip install pycuda
    ;;
  *)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
