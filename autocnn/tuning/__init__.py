"""The search: its loop, the engines that propose params, and the time budget."""
