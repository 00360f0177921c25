# What the recipes of the face paper's rows share, to be sourced.

# row_options ROW FAN: sets alpha, skin and fan_path, by which a row differs from PD-GAN; FAN is a file of fan128.sh
row_options() {
  alpha=0 skin=sum fan_path=
  case $1 in
    paper) ;;
    fan_only) fan_path=$2 ;;
    mask_only) alpha=10 skin=hole ;;
    full) alpha=10 skin=hole fan_path=$2 ;;
    *) echo "no row '$1': paper, fan_only, mask_only or full" >&2 && exit 2 ;;
  esac
}
