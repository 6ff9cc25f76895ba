"""Checks a set of images before training: copies, leaks, conflicting labels, shortcuts."""
