#!/usr/bin/env bash
# Makes `autonomy` and, where there is one below /opt/ros, ROS 2 available, then runs what it is given.
set -eo pipefail
if [ -n "${ROS_DISTRO:-}" ] && [ -f "/opt/ros/$ROS_DISTRO/setup.bash" ]; then
  # shellcheck source=/dev/null
  . "/opt/ros/$ROS_DISTRO/setup.bash"
fi
PATH="$(cd "$(dirname "$0")/.." && pwd -P)/.venv/bin:$PATH"
export PATH
exec "$@"
