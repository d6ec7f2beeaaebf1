#!/usr/bin/env bash
# Everything that wants a CUDA GPU, in one resumable run without network:
#
#   bash benchmarks/gpu.sh DATA OUT
#
# DATA is UCSD Ped2 as JPEG folders or as H.264 files (37 MB); OUT takes JSON, logs and weights, the
# weights in pieces below 16 MB (cat ped2-official-1/model.safetensors.* joins them). Started again
# with the same OUT it goes on where it was. SECONDS_LEFT bounds a run (default 540). Dry run on a CPU:
# DEVICE=cpu SEEDS=1 OPTIONS="--epochs 1 --width 0.05 --height 32 --image_width 32 --channels 1".
set -euo pipefail
cd "$(dirname "$0")/.."
data=${1:?usage: gpu.sh DATA OUT} out=${2:?usage: gpu.sh DATA OUT}
limit=${SECONDS_LEFT:-540} seeds=${SEEDS:-1 2 3} device=${DEVICE:-cuda}
python=${PYTHON:-$(test -x .venv/bin/python && echo .venv/bin/python || echo python3)}
export PYTHONPATH=src${PYTHONPATH:+:$PYTHONPATH}
work=${WORK:-runs/gpu}
mkdir -p "$out" "$work"
for seed in $seeds; do
  model=$work/ped2-official-$seed
  if [ ! -f "$model/config.json" ]; then
    resume=$([ -d "$model/training" ] && echo --resume || true)
    left=$((limit - SECONDS))
    [ "$left" -gt 60 ] || { echo "time is up before seed $seed; run me again"; break; }
    timeout --signal=INT "$left" "$python" -m mnad train "ped2:$data" --out "$model" \
      --config recipes/ped2-official-prediction.yaml --seed "$seed" --device "$device" ${OPTIONS:-} $resume \
      || { echo "seed $seed is not finished; run me again"; cp -r "$model" "$out/"; break; }
  fi
  mkdir -p "$out/ped2-official-$seed"
  cp "$model"/config.json "$model"/train.jsonl "$model"/normal.safetensors "$out/ped2-official-$seed/"
  [ -f "$out/ped2-official-$seed.json" ] || "$python" -m mnad evaluate "$model" "ped2:$data" \
    --device "$device" --json "$out/ped2-official-$seed.json" | tee "$out/ped2-official-$seed.txt"
  split -b 15M -d "$model/model.safetensors" "$out/ped2-official-$seed/model.safetensors."
done
first=$work/ped2-official-${seeds%% *}
if [ -f "$first/config.json" ] && [ ! -f "$out/speed.json" ]; then
  "$python" -m mnad bench "$first" --device "$device" --runtimes torch --streams "${STREAMS:-1,4,16,32,64}" \
    --training --json "$out/speed.json" | tee "$out/speed.txt"
fi
