#!/usr/bin/env python3
"""What queue_bench measures, with multiprocessing.Queue: small items from one process to another."""
import json
import multiprocessing
import time

COUNT = 300_000


def fill(to):
    for i in range(COUNT):
        to.put(i)


def main():
    queue = multiprocessing.Queue()
    producer = multiprocessing.Process(target=fill, args=(queue,))
    producer.start()
    queue.get()
    start = time.perf_counter()
    for _ in range(COUNT - 1):
        queue.get()
    rate = COUNT / (time.perf_counter() - start)
    producer.join()
    line = {"what": "python Queue", "metric": "items", "value": float(f"{rate:.4g}"), "unit": "1/s"}
    print(json.dumps(line, separators=(",", ":")))


if __name__ == "__main__":
    main()
