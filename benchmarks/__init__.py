"""The speed and memory of autocnn beside its alternatives, on this machine.

`python -m benchmarks` measures all figures; `python -m benchmarks.start` (or `.overhead`,
`.throughput`, `.memory`) measures one. Each compares programs side by side in one
invocation, in turn, and prints medians of repeats with their range, and ratios.
"""
