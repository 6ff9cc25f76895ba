"""Studies without processes, of whole sessions that are drawn from a seed and broken on purpose."""
