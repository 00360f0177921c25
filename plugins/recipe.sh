# For recipes of two runs, to be sourced: the second begins from the first's weights and trains what Poisson blending
# makes of a fill as well. Sourced with FACES RUN [STEPS [BLENDED_STEPS]] as arguments, it defines two_runs.
set -eu
# glibc keeps freed memory for the next step instead of giving it back
export GLIBC_TUNABLES="${GLIBC_TUNABLES-glibc.malloc.mmap_threshold=4294967295:glibc.malloc.trim_threshold=4294967295:glibc.malloc.top_pad=268435456}"
faces=$1 run=$2 licence="research use only, as its images"

# two_runs METHOD FILE best|last STEPS BLENDED_STEPS "OPTIONS OF BOTH" "OPTIONS OF THE SECOND"
two_runs() {
  mkdir -p "$run"
  one_run "$1" first "$4" $6
  [ -f "$run/first.safetensors" ] ||
    inpaintx export "$run/first" --which "$3" -o "$run/first.safetensors" --licence "$licence"
  one_run "$1" blended "$5" $6 --set init="$run/first.safetensors" $7
  inpaintx export "$run/blended" --which "$3" -o "$run/$2" --half --overwrite --licence "$licence"
}

one_run() { # METHOD NAME STEPS OPTIONS...
  method=$1 name=$2 count=$3 resume=
  shift 3
  [ -d "$run/$name" ] && resume=--resume
  inpaintx train "$method" "$faces" -o "$run/$name" --preset default --seed 0 --steps "$count" \
    --set holes=strokes:ratio=0.05-0.6+walk:ratio=0.05-0.6+box+centre --set ema=0.999 --set precision=bf16-mixed \
    --set checkpoint_every=500 --set val_images=128 "$@" $resume
}
