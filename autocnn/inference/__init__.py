"""A finished model at work: predict new images, evaluate it on labelled ones, export it."""
