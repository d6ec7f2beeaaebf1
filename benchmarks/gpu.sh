#!/usr/bin/env bash
# Everything that wants a CUDA GPU, in slices without network:
#
#   bash benchmarks/gpu.sh DATA OUT
#
# DATA is UCSD Ped2 as JPEG folders or as H.264 files (37 MB), or what else `mnad ablate` takes
# (avenue:PATH). In order of need, each step only when the one before it is done:
#   official   full-width official prediction, 60 epochs, seeds 1 to SEEDS (3)
#   ablation   the rows of `mnad ablate` at full width (ROWS), seed after seed
#   speed      `mnad bench` on the first model
# STEPS picks among them. SECONDS_LEFT bounds a slice (default 540): started again it goes on where it
# was, from WORK (runs/gpu), or on a fresh machine from the OUT of earlier slices (FROM, if it is not
# the same OUT). OUT takes the table and the plot, everything else but weights in results.tgz.*, and
# the weights of the models named by WEIGHTS, as NAME.safetensors.*, of so many models a slice as
# MODELS_OUT says (1): all in pieces below 16 MB, few enough for one transfer (cat PIECES > FILE).
# JOBS (1) models train at the same time: steps of batch 4 do not fill a large GPU. A training that is
# not finished goes on from WORK alone (its state is three times the weights): on a fresh machine it begins
# anew, so take more where machines are lent for much longer than one training takes. Dry run on a CPU: DEVICE=cpu SEEDS=1 ROWS=no-memory OPTIONS="--epochs 1 --width 0.05 --height 32
# --image_width 32 --channels 1".
# Sixty epochs of an eighth of the width, official and by the norm (benchmarks/memory.md#longer; two hours each on a CPU):
# WORK=runs/narrow STEPS=ablation ROWS=loss-norm,loss-norm-skip,loss-norm-pseudo OPTIONS="--width 0.125 --channels 1 --height 160 --image_width 256
# --learning_rate 1e-3".
set -euo pipefail
cd "$(dirname "$0")/.."
data=${1:?usage: gpu.sh DATA OUT} out=${2:?usage: gpu.sh DATA OUT}
limit=${SECONDS_LEFT:-540} seeds=${SEEDS:-3} device=${DEVICE:-cuda}
steps=${STEPS:-official ablation speed} rows=${ROWS:-loss-norm,loss-norm-skip,loss-norm-pseudo,paper,no-memory,no-memory-loss-norm,table1,table2,items,readings,memory}
python=${PYTHON:-$(test -x .venv/bin/python && echo .venv/bin/python || echo python3)}
export PYTHONPATH=src${PYTHONPATH:+:$PYTHONPATH}
work=${WORK:-runs/gpu} from=${FROM:-$out}
models=$work/ablation
[ -f "$data/ped2.mat" ] && data=ped2:$data
mkdir -p "$out" "$work"

# What earlier slices gave back, where nothing lies here yet.
if [ ! -d "$models" ] && compgen -G "$from/results.tgz.*" > /dev/null; then
  cat "$from"/results.tgz.* | tar -xz -C "$work"
  for piece in "$from"/*.safetensors.00; do
    [ -f "$piece" ] || continue
    name=$(basename "$piece" .safetensors.00)
    cat "$from/$name".safetensors.* > "$models/$name/model.safetensors"
    touch "$models/$name/.given"
  done
fi

# Within the time that is left: ends well only when all of it was tried.
bounded() {
  local left=$((limit - SECONDS)) code=0
  [ "$left" -gt 20 ] || { echo "time is up; run me again"; return 1; }
  timeout --signal=INT "$left" "$python" -m mnad "$@" || code=$?
  case $code in
    0) ;;
    1) echo "some of it failed, as said above" ;;
    2) exit 2 ;;  # called wrongly: running it again would not help
    *) echo "not finished; run me again"; return 1 ;;
  esac
}

ablate() {
  bounded ablate "$data" --out "$models" --rows "$1" --seeds "$seeds" --device "$device" --jobs "${JOBS:-1}" ${OPTIONS:-}
}

# With all ways of testing it: its weights may not be there when the others are.
official() { ablate at-test; }
ablation() { ablate "at-test,$rows"; }
speed() {
  [ -f "$work/speed.json" ] && return
  bounded bench "$models/prediction-official-1" --device "$device" --runtimes torch,torch-bf16 \
    --streams "${STREAMS:-1,4,16,32,64}" --training --json "$work/speed.json" --markdown "$work/speed.md"
}

# Models some of whose rows are missing: without their weights the others are of no use elsewhere.
partial() {
  "$python" - "$models/ablation.json" <<'END'
import json, sys
rows = json.load(open(sys.argv[1]))["rows"]
print(*{f"{row['training']}-{seed}" for row in rows for seed in row["missing_seeds"]}, sep="\n")
END
}

give() {
  local given=0 name missing files=()
  [ -f "$models/ablation.json" ] || return 0
  cp "$models"/ablation.md "$models"/ablation.png "$out/"
  missing=$(partial)
  for name in $(cd "$models" && compgen -G "*-*"); do
    [ -f "$models/$name/memory.json" ] && ! grep -qx -- "$name" <<< "$missing" || continue
    files+=("ablation/$name/config.json" "ablation/$name/train.jsonl" "ablation/$name/memory.json" "ablation/$name/tests")
    # shellcheck disable=SC2053  # a pattern
    [[ $name == ${WEIGHTS:-prediction-official-*} ]] || continue
    files+=("ablation/$name/normal.safetensors")
    # On a fresh machine there are not the weights that no earlier slice gave.
    [ "$given" -lt "${MODELS_OUT:-1}" ] && [ ! -f "$models/$name/.given" ] \
      && [ -f "$models/$name/model.safetensors" ] || continue
    split -b 15M -d "$models/$name/model.safetensors" "$out/$name.safetensors."
    touch "$models/$name/.given"
    given=$((given + 1))
  done
  rm -f "$out"/results.tgz.*
  (cd "$work" && tar -cz ablation/plan.json ablation/ablation.* $(compgen -G "speed.*" || true) "${files[@]}") \
    | split -b 15M -d - "$out/results.tgz."
}
trap give EXIT

for step in $steps; do
  echo "== $step"
  "$step" || break
done
