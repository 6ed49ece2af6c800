#!/usr/bin/env bash
# Makes `autonomy` and, where the image has one, ROS 2 available, then runs what it is given.
set -eo pipefail
if [ -n "${ROS_DISTRO:-}" ] && [ -f "/opt/ros/$ROS_DISTRO/setup.bash" ]; then
  . "/opt/ros/$ROS_DISTRO/setup.bash"
fi
export PATH="/autonomy_nodes/.venv/bin:$PATH"
exec "$@"
