# What the recipes of the face paper's rows share, to be sourced.

# row_options ROW FAN: the options by which a row differs from PD-GAN; FAN is a file of fan128.sh
row_options() {
  case $1 in
    paper) ;;
    fan_only) echo "--set fan_path=$2" ;;
    mask_only) echo "--set alpha=10 --set skin=hole" ;;
    full) echo "--set alpha=10 --set skin=hole --set fan_path=$2" ;;
    *) echo "no row '$1': paper, fan_only, mask_only or full" >&2 && exit 2 ;;
  esac
}
