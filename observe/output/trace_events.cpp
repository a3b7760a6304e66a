#include "observe/output/trace_events.hpp"

#include "observe/output/snapshot_json.hpp"
#include "observe/output/words.hpp"

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
  const auto at = [&](const char* phase, std::size_t track, std::chrono::nanoseconds when) {
    return json{{"ph", phase}, {"pid", host}, {"tid", track}, {"ts", micros(when)}};
  };
  const auto moment = [&](const std::string& name, std::chrono::nanoseconds when) {
    auto slice = at("X", host_track, when); // an arrow ends at a slice
    slice.update({{"name", name}, {"cat", "host"}, {"dur", 0}});
    return line(slice);
  };
  const auto arrow = [&](const char* phase, std::size_t track, std::chrono::nanoseconds when) {
    auto part = at(phase, track, when);
    part.update({{"name", "task"}, {"cat", "flow"}, {"id", s.number}, {"bp", "e"}});
    return line(part);
  };
  const auto submitted = s.began - s.waited;
  return moment("submit " + s.name, submitted) + arrow("s", host_track, submitted)
         + arrow("t", s.worker, s.began) + moment("outcome of " + s.name, s.ended)
         + arrow("f", host_track, s.ended);
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
