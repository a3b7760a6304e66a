#include "observe/output/trace_events.hpp"

#include "observe/output/snapshot_json.hpp"
#include "observe/output/words.hpp"

#include <algorithm>

// Each piece of a trace is one line with its comma before it, and only the end of the trace closes
// the list: readers take a file that was cut by a crash all the same.
namespace bulkhead::observe::detail {

namespace {

double micros(std::chrono::nanoseconds time) noexcept {
  return std::chrono::duration<double, std::micro>(time).count();
}

std::size_t track_of(worker_kind kind, std::size_t worker) noexcept {
  return kind == worker_kind::tasks ? worker : 1'000'000 + worker;
}

constexpr std::size_t host_track = 2'000'000;

std::string line(const json& event) { return ",\n" + text_of(event); }

json named(const char* what, pid_t host, std::size_t track, const std::string& name) {
  return {{"ph", "M"}, {"name", what}, {"pid", host}, {"tid", track}, {"args", {{"name", name}}}};
}

/// Something for an arrow to end at.
std::string moment(pid_t host, const std::string& name, std::chrono::nanoseconds when) {
  return line({{"name", name},
               {"cat", "host"},
               {"ph", "X"},
               {"pid", host},
               {"tid", host_track},
               {"ts", micros(when)},
               {"dur", 0}});
}

/// Parts of one arrow have one name and number; `phase`: "s", "t" or "f".
std::string arrow(const char* phase, pid_t host, std::size_t track, const char* name,
                  std::uint64_t number, std::chrono::nanoseconds when) {
  return line({{"name", name},
               {"cat", "flow"},
               {"id", number},
               {"ph", phase},
               {"bp", "e"},
               {"pid", host},
               {"tid", track},
               {"ts", micros(when)}});
}

} // namespace

std::string trace_begin(pid_t host, const std::string& pool) {
  const auto name = pool.empty() ? "pool" : "pool " + pool;
  return "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"
         + text_of(named("process_name", host, 0, name))
         + line(named("thread_name", host, 0, "never started"))
         + line(named("thread_name", host, host_track, "host: submit and outcome"));
}

std::string trace_track(pid_t host, worker_kind kind, std::size_t worker, pid_t pid) {
  const auto track = track_of(kind, worker);
  auto name = (kind == worker_kind::tasks ? "worker " : "actor worker ") + std::to_string(worker);
  if (pid != 0)
    name += " (pid " + std::to_string(pid) + ')';
  return line(named("thread_name", host, track, name))
         + line({{"ph", "M"},
                 {"name", "thread_sort_index"},
                 {"pid", host},
                 {"tid", track},
                 {"args", {{"sort_index", track}}}});
}

std::string trace_slice(pid_t host, const slice& s) {
  json event{{"name", s.name},
             {"cat", word_of(s.result)},
             {"ph", "X"},
             {"pid", host},
             {"tid", s.worker},
             {"ts", micros(s.began)},
             {"dur", micros(s.ended - s.began)},
             {"args",
              {{"task", s.task},
               {"items", s.items},
               {"attempt", s.attempt},
               {"outcome", word_of(s.result)},
               {"waited_us", micros(s.waited)}}}};
  if (s.result == task_result::failed)
    event["cname"] = "terrible"; // the viewer's red
  return line(event);
}

std::string trace_arrows(pid_t host, const slice& s) {
  if (s.worker == 0)
    return {};
  const auto submitted = s.began - s.waited;
  return moment(host, "submit " + s.name, submitted)
         + arrow("s", host, host_track, "task", s.number, submitted)
         + arrow("t", host, s.worker, "task", s.number, s.began)
         + moment(host, "outcome of " + s.name, s.ended)
         + arrow("f", host, host_track, "task", s.number, s.ended);
}

std::string trace_take(pid_t host, const slice& s, std::chrono::nanoseconds taken) {
  return arrow("s", host, host_track, "get", s.number, s.ended)
         + moment(host, "get " + s.name, std::max(taken, s.ended))
         + arrow("f", host, host_track, "get", s.number, std::max(taken, s.ended));
}

std::string trace_message(pid_t host, const message_sight& m) {
  return line({{"name", m.name},
               {"cat", "message"},
               {"ph", "X"},
               {"pid", host},
               {"tid", track_of(worker_kind::actors, m.worker)},
               {"ts", micros(m.began)},
               {"dur", micros(m.ended - m.began)},
               {"args", {{"actor", m.actor}}}});
}

std::string trace_span(pid_t host, const span_sight& s) {
  return line({{"name", s.name},
               {"cat", "span"},
               {"ph", "X"},
               {"pid", host},
               {"tid", s.worker},
               {"ts", micros(s.began)},
               {"dur", micros(s.ended - s.began)},
               {"args", {{"task", s.task}}}});
}

std::string trace_instant(pid_t host, const event_sight& e) {
  json args{{"text", e.event.text}};
  if (e.event.exit.cause != exit_cause::none)
    args["cause"] = to_string(e.event.exit.cause);
  return line({{"name", word_of(e.event.kind)},
               {"cat", "worker"},
               {"ph", "i"},
               {"s", "t"},
               {"pid", host},
               {"tid", track_of(e.among, e.event.worker)},
               {"ts", micros(e.since_begin)},
               {"args", args}});
}

std::string trace_counters(pid_t host, const point& p) {
  const auto counter = [&](const char* name, const json& args) {
    return line({{"name", name}, {"ph", "C"}, {"pid", host}, {"ts", micros(p.at)}, {"args", args}});
  };
  return counter("tasks waiting", {{"tasks", p.queued}})
         + counter("workers busy", {{"workers", p.busy}})
         + counter("memory of the workers", {{"bytes", p.rss_bytes}});
}

std::string trace_end() { return "\n]}\n"; }

} // namespace bulkhead::observe::detail
