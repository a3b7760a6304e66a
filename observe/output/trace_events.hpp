#pragma once

#include "observe/model/model.hpp"

#include <bulkhead/observe/snapshot.hpp>

#include <sys/types.h>

#include <string>

namespace bulkhead::observe::detail {

// Lines of a document of Chrome's trace event format; times in microseconds since the watch began.
// Workers of tasks are threads 1, 2, ... of process `host`, those of actors behind 1,000,000; tasks
// that no worker has begun are in thread 0.

std::string trace_begin(pid_t host, const std::string& pool);
std::string trace_track(pid_t host, worker_kind kind, std::size_t worker, pid_t pid);
std::string trace_slice(pid_t host, const slice& s);
/// From the submit of a task through its slice to its outcome, which both are on a track of their
/// own. Nothing for one that never began.
std::string trace_arrows(pid_t host, const slice& s);
/// From the outcome of a task to the moment at which somebody asked for it.
std::string trace_take(pid_t host, const slice& s, std::chrono::nanoseconds taken);
/// A message that an actor has handled, on its worker's track.
std::string trace_message(pid_t host, const message_sight& m);
std::string trace_span(pid_t host, const span_sight& s);
std::string trace_instant(pid_t host, const event_sight& e);
std::string trace_counters(pid_t host, const point& p);
std::string trace_end();

} // namespace bulkhead::observe::detail
