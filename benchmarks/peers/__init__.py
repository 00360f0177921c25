"""Peers written anew from their published formulas, where no package carries them."""
