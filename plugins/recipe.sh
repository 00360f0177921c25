# What the recipes share, to be sourced with FACES RUN [...] as arguments. A recipe that was stopped goes on where it was
# when it is run again.
set -eu
# glibc keeps freed memory for the next step instead of giving it back
export GLIBC_TUNABLES="${GLIBC_TUNABLES-glibc.malloc.mmap_threshold=4294967295:glibc.malloc.trim_threshold=4294967295:glibc.malloc.top_pad=268435456}"
faces=$1 run=$2
holes=strokes:ratio=0.05-0.6+walk:ratio=0.05-0.6+box+centre
common="--seed 0 --set holes=$holes --set precision=bf16-mixed --set ema=0.999 --set checkpoint_every=500 --set val_images=128"
mkdir -p "$run"

# train METHOD NAME OPTIONS...: begins the run $run/NAME, or goes on with it; later options hold
train() {
  method=$1 name=$2 resume=
  shift 2
  [ -d "$run/$name" ] && resume=--resume
  inpaintx train "$method" "$faces" -o "$run/$name" $common "$@" $resume
}

# keep NAME best|last: the run's weights, once, for another to begin from
keep() {
  [ -f "$run/$1.safetensors" ] || inpaintx export "$run/$1" --which "$2" -o "$run/$1.safetensors"
}

# ship NAME best|last FILE: the run's weights as they are published
ship() {
  inpaintx export "$run/$1" --which "$2" -o "$run/$3" --half --overwrite --licence "research use only, as its images"
}

# two_runs METHOD FILE best|last STEPS BLENDED_STEPS "OPTIONS OF BOTH" "OPTIONS OF THE SECOND": the second begins from
# the first's weights and trains what Poisson blending makes of a fill as well
two_runs() {
  train "$1" first --preset default --steps "$4" $6
  keep first "$3"
  train "$1" blended --preset default --steps "$5" $6 --set init="$run/first.safetensors" $7
  ship blended "$3" "$2"
}

# further METHOD FILE NAME STEPS MORE OPTIONS...: goes on from the weights $run/FILE, which the method's first recipe made;
# a quarter of each batch comes from the set MORE
further() {
  method=$1 first=$2 name=$3 steps=$4 more=$5
  shift 5
  train "$method" "$name" --steps "$steps" --set init="$run/$first" --set batch_size=8 --set extra="$more" \
    --set precision=32-true --set checkpoint_every=100 --set val_images=48 "$@"
  ship "$name" last "$name.safetensors"
}
