#!/usr/bin/env python3
"""The workloads of pool_bench on Python's pools: python_pools.py multiprocessing | futures."""
import concurrent.futures
import json
import multiprocessing
import statistics
import sys
import time


def identity(x):
    return x


def report(what, metric, value, unit):
    print(json.dumps({"what": what, "metric": metric, "value": value, "unit": unit}), flush=True)


def median_time(rounds, call, pause=0.0):
    samples = []
    for _ in range(rounds):
        if pause:
            time.sleep(pause)
        begin = time.perf_counter()
        call()
        samples.append((time.perf_counter() - begin) * 1e6)
    return statistics.median(samples)


def run(make, submit, get, map_all, close):
    pool = make(1)
    def apply(x):
        return get(submit(pool, identity, x))
    apply(0)
    report("W1 hot", "p50", median_time(3000, lambda: apply(1)), "us")
    report("W1 asleep", "p50", median_time(300, lambda: apply(1), 0.0005), "us")
    begin = time.perf_counter()
    for each in [submit(pool, identity, i) for i in range(20000)]:
        get(each)
    report("W2 1 workers", "throughput", 20000 / (time.perf_counter() - begin), "task/s")
    for name, size, rounds in (("W4 1 MiB", 1 << 20, 20), ("W4 64 MiB", 64 << 20, 3)):
        payload = bytes(size)
        took = median_time(rounds, lambda: apply(payload))
        report(name, "throughput", size / took, "MB/s")
    close(pool)

    pool = make(2)
    map_all(pool, identity, range(1000))
    count = 1_000_000 if make is multiprocessing.Pool else 20_000
    begin = time.perf_counter()
    map_all(pool, identity, range(count))
    report("W3 map", "throughput", count / (time.perf_counter() - begin), "item/s")
    close(pool)

    def first():
        pool = make(2)
        get(submit(pool, identity, 1))
        first.pools.append(pool)
    first.pools = []
    took = []
    for _ in range(10):
        took.append(median_time(1, first))
        close(first.pools.pop())
    report("W6 first result", "p50", statistics.median(took), "us")


def main():
    if sys.argv[1] == "multiprocessing":
        def close(pool):
            pool.close()
            pool.join()
        run(multiprocessing.Pool, lambda p, f, x: p.apply_async(f, (x,)), lambda r: r.get(),
            lambda p, f, items: p.map(f, items), close)
    else:
        run(concurrent.futures.ProcessPoolExecutor, lambda p, f, x: p.submit(f, x),
            lambda r: r.result(), lambda p, f, items: list(p.map(f, items)),
            lambda p: p.shutdown())


if __name__ == "__main__":
    main()
