// The parts that every task passes, in nanoseconds a turn (Google Benchmark; --help has its
// options).
#include "bench/parts/hot_paths.hpp"

#include <benchmark/benchmark.h>

namespace {

template <class Path>
void turns(benchmark::State& state) {
  Path path;
  for (auto _ : state)
    benchmark::DoNotOptimize(path.turn());
}

} // namespace

BENCHMARK(turns<bulkhead::hot_paths::ring>)->Name("ring");
BENCHMARK(turns<bulkhead::hot_paths::codec>)->Name("codec");
BENCHMARK(turns<bulkhead::hot_paths::ledger>)->Name("ledger");

BENCHMARK_MAIN();
