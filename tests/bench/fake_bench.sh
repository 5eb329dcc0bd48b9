#!/bin/sh
# Answers `sample` as sigmax-bench would, with the times below: `gate` can be tested without measuring anything.
time=100 calibration=1000 wrong= steady=yes
while [ $# -gt 0 ]; do
  case $1 in
    --batch) batch=$2; shift ;;
  esac
  shift
done
[ "$steady" = yes ] || calibration=$((1000 + $(od -An -N2 -tu2 /dev/urandom) % 2000))
printf '{"sigmax_schema_version":1,"machine":{"machine_id":"m","commit":"c","compiler":"g++","flags":"-O2"},'
printf '"calibration_ns":%s,"cases":[' "$calibration"
comma=
while read -r line; do
  printf '%s{"line":"%s","name":"%s","verified":true,' "$comma" "$line" "$line"
  [ -z "$wrong" ] || printf '"wrong":"element 3",'
  printf '"ns":[%s,%s,%s]}' "$time" "$time" "$time"
  comma=,
done <"$batch"
printf ']}\n'
