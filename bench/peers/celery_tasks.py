#!/usr/bin/python3
"""Tiny tasks through Celery with one prefork worker on the broker of BULKHEAD_ENGINE_URL:

    scripts/with_broker bench/peers/celery_tasks.py [TASKS]

The peer of engine_bench: JSON lines with tasks a second, with results and without (where the last
task alone has one: one worker takes them in order).
"""
import json
import os
import subprocess
import sys
import time

from celery import Celery

app = Celery("celery_tasks", broker=os.environ["BULKHEAD_ENGINE_URL"], backend="rpc://")
app.conf.worker_prefetch_multiplier = 64
app.conf.broker_connection_retry_on_startup = True


@app.task(name="identity")
def identity(x):
    return x


@app.task(name="quiet", ignore_result=True)
def quiet(x):
    return x


def report(metric, count, begin):
    rate = count / (time.monotonic() - begin)
    print(json.dumps({"what": "celery", "metric": metric, "value": round(rate, 1),
                      "unit": "tasks/s"}), flush=True)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "-c", "1", "-P", "prefork",
         "--loglevel", "ERROR", "--without-gossip", "--without-mingle"],
        cwd=os.path.dirname(os.path.realpath(__file__)),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        identity.delay(0).get(timeout=60)
        begin = time.monotonic()
        results = [identity.delay(i) for i in range(count)]
        for result in results:
            result.get(timeout=120)
        report("delay of tiny tasks", count, begin)
        begin = time.monotonic()
        for i in range(count):
            quiet.delay(i)
        identity.delay(0).get(timeout=120)
        report("delay of tiny tasks without results", count, begin)
    finally:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main()
