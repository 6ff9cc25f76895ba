"""Runs tasks in processes of this machine, behind an interface that others can implement."""
