"""All figures, one benchmark after another: `python -m benchmarks`."""

from benchmarks import cluster, loop, memory, overhead, predict, serve, start, throughput
from benchmarks.report import run_benchmarks

if __name__ == "__main__":
    run_benchmarks(
        "Measure autocnn beside its alternatives: start, the loop, overhead, throughput, memory, "
        "predict, serve, a cluster.",
        [
            start.measure,
            loop.measure,
            overhead.measure,
            throughput.measure,
            memory.measure,
            predict.measure,
            serve.measure,
            cluster.measure,
        ],
    )
