"""Files of photos and masks: read, written whole or not at all."""
