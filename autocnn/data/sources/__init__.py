"""Where images come from: folders, tables, .npz files, sets that are built in."""
