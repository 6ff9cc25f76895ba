"""What holds for all that hypothesis draws; with --full of much more."""
