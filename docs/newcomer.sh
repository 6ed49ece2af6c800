#!/usr/bin/env bash
# Types the session of docs/newcomer.md and writes it: `bash docs/newcomer.sh URL KITTI_FOLDER OUT.md` in an empty folder.
# URL: what is cloned; KITTI_FOLDER: any drive that `autonomy import` reads as kitti, with pictures.
set -euo pipefail
url=$1 out=$3
ln -sfn "$(cd "$2" && pwd)" kitti
began=$SECONDS

say() { printf '%s\n' "$1" >>"$out"; }
type_() { # type_ SHOWN [COMMAND]: show a command with the time since the beginning, run it, show what it prints
  local now=$((SECONDS - began)) code=0
  printf '[%d:%02d] $ %s\n' $((now / 60)) $((now % 60)) "$1" >>"$out"
  bash -c "${2:-$1}" </dev/null >step.txt 2>&1 || code=$?
  grep -v '^WARNING: ' step.txt >>"$out" || true
  if [ "$code" -ne 0 ]; then echo "(exit code $code)" >>"$out"; fi
}

cat >"$out" <<'END'
# From the clone to the report of an own recording

A session as it was typed, written by [newcomer.sh](newcomer.sh); in brackets the minutes and seconds since the clone began.
The recording stands for one of a vehicle with drivers of other makers: other topic names, no wheel
speed, no IMU, no GNSS.

```
END
type_ 'git clone ... autonomy_nodes && cd autonomy_nodes' "git clone -q '$url' autonomy_nodes"
mv kitti autonomy_nodes/
cd autonomy_nodes
touch ../step.txt
out=../$out
type_ 'make run'
cat >names.py <<'END'
"""Give the topics of the bag `imported` the names that other drivers give them; the bag `drive` is what comes out."""

from pathlib import Path

from rosbags.rosbag2 import Reader, StoragePlugin, Writer

NAMES = {
    '/sensing/lidar/top/pointcloud_raw': '/velodyne_points',
    '/sensing/camera/front/image_raw/compressed': '/usb_cam/image_raw/compressed',
    '/sensing/camera/front/camera_info': '/usb_cam/camera_info',
}
with Reader(Path('imported')) as bag, Writer(Path('drive'), version=9, storage_plugin=StoragePlugin.MCAP) as out:
    made = {
        each.id: out.add_connection(
            NAMES.get(each.topic, each.topic), each.msgtype, typestore=None, msgdef=each.msgdef.data, rihs01=each.digest,
            serialization_format='cdr', offered_qos_profiles=each.ext.offered_qos_profiles,
        )
        for each in bag.connections
    }
    for connection, stamp_ns, data in bag.messages():
        out.write(made[connection.id], stamp_ns, data)
END
type_ '.venv/bin/autonomy import kitti kitti imported && .venv/bin/python names.py   # stands for your recording: drive' \
  '.venv/bin/autonomy import kitti kitti imported && .venv/bin/python names.py'
type_ '.venv/bin/autonomy bag info drive'
type_ '.venv/bin/autonomy doctor drive --draft names.yaml'
type_ 'cat names.yaml   # look it through' 'cat names.yaml'
type_ '.venv/bin/autonomy vehicle new my.yaml --bag drive --remap names.yaml --defaults --lidar "top elevation_deg=-24.9,2 beams=64 range_m=120"'
type_ '.venv/bin/autonomy vehicle show my.yaml --out my.png'
type_ '.venv/bin/autonomy doctor drive vehicle:=my.yaml --remap names.yaml'
type_ '.venv/bin/autonomy replay drive --out out/mine vehicle:=my.yaml --remap names.yaml model:=lidar_small'
type_ 'ls -sh out/mine/report.html'
now=$((SECONDS - began))
say '```'
say ''
say "$(printf 'From the clone to the report of the own recording: %d min %02d s' $((now / 60)) $((now % 60))) on $(nproc) cores."
