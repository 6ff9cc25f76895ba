"""Reads DATA of any kind into one table: folders, CSV files, .npz files, built-in sets."""
