"""What methods are built from: blocks, discriminators, losses and frozen feature extractors."""
