"""What methods are fed with: photo and mask files in and out."""
