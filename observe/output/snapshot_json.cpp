#include "observe/output/snapshot_json.hpp"

#include "observe/output/words.hpp"

// The one place that knows how a snapshot is written as JSON: page, report, `top` and `events`
// read the same form (docs/observe.md).
namespace bulkhead::observe::detail {

namespace {

using detail::to_json; // found beside those below

json to_json(const pool_stats& s) {
  return {
    {"submitted", s.submitted}, {"succeeded", s.succeeded},       {"failed", s.failed},
    {"cancelled", s.cancelled}, {"retried", s.retried},           {"requeued", s.requeued},
    {"queued", s.queued},       {"in_flight", s.in_flight},       {"restarts", s.restarts},
    {"recycled", s.recycled},   {"bad_messages", s.bad_messages}, {"dead_letters", s.dead_letters}};
}

json to_json(const worker_sight& w) {
  const auto& i = w.worker;
  return {{"id", i.id},
          {"pid", i.pid},
          {"kind", to_string(i.kind)},
          {"state", to_string(i.state)},
          {"running", w.running},
          {"task", i.task},
          {"runs_seconds", seconds_of(i.task_runs)},
          {"progress", i.progress},
          {"tasks_done", i.tasks_done},
          {"busy_seconds", seconds_of(i.busy)},
          {"rss_bytes", i.rss_bytes},
          {"cpu", w.cpu},
          {"cpu_seconds", w.cpu_seconds},
          {"descriptors", w.descriptors},
          {"started", unix_seconds(i.started_at)}};
}

json to_json(const actor_info& a) {
  return {{"id", a.id},
          {"name", a.name},
          {"type", a.type},
          {"worker", a.worker},
          {"pid", a.pid},
          {"mailbox", a.mailbox},
          {"messages", a.messages},
          {"busy_seconds", seconds_of(a.busy)},
          {"in_hand_seconds", seconds_of(a.in_hand)},
          {"restarts", a.restarts},
          {"supervisor", a.supervisor}};
}

json to_json(const histogram& h) {
  return {{"count", h.count()},     {"sum_seconds", h.sum_seconds()}, {"counts", h.counts()},
          {"p50", h.quantile(0.5)}, {"p95", h.quantile(0.95)},        {"p99", h.quantile(0.99)}};
}

json to_json(const task_sight& t) {
  return {{"name", t.name},
          {"succeeded", t.succeeded},
          {"failed", t.failed},
          {"cancelled", t.cancelled},
          {"run", to_json(t.run)},
          {"wait", to_json(t.wait)},
          {"dispatch", to_json(t.dispatch)}};
}

json to_json(const slice& s) {
  return {{"number", s.number},
          {"task", s.task},
          {"items", s.items},
          {"attempt", s.attempt},
          {"worker", s.worker},
          {"pid", s.pid},
          {"name", s.name},
          {"result", word_of(s.result)},
          {"began", seconds_of(s.began)},
          {"ended", seconds_of(s.ended)},
          {"waited", seconds_of(s.waited)}};
}

json to_json(const failure_sight& f) {
  return {{"number", f.number},
          {"task", f.task},
          {"attempt", f.attempt},
          {"worker", f.worker},
          {"pid", f.what.worker},
          {"name", f.name},
          {"at", unix_seconds(f.at)},
          {"kind", to_string(f.what.kind)},
          {"message", f.what.message},
          {"type", f.what.type},
          {"exit", f.what.exit.cause == exit_cause::none ? "" : to_string(f.what.exit)},
          {"may_have_executed", f.what.may_have_executed},
          {"backtrace", f.what.backtrace},
          {"last_output", f.what.last_output}};
}

json to_json(const message_sight& m) {
  return {{"number", m.number},           {"actor", m.actor},
          {"worker", m.worker},           {"name", m.name},
          {"began", seconds_of(m.began)}, {"ended", seconds_of(m.ended)}};
}

json to_json(const point& p) {
  return {{"at", seconds_of(p.at)},  {"done", p.done}, {"failed", p.failed},
          {"queued", p.queued},      {"busy", p.busy}, {"workers", p.workers},
          {"rss_bytes", p.rss_bytes}};
}

template <class T>
json list_of(const std::vector<T>& all) {
  auto list = json::array();
  for (const auto& one : all)
    list.push_back(to_json(one));
  return list;
}

} // namespace

json to_json(const event_sight& e) {
  return {{"number", e.number},
          {"at", unix_seconds(e.at)},
          {"among", to_string(e.among)},
          {"kind", word_of(e.event.kind)},
          {"worker", e.event.worker},
          {"pid", e.event.pid},
          {"cause", e.event.exit.cause == exit_cause::none ? "" : to_string(e.event.exit.cause)},
          {"text", e.event.text}};
}

json to_json(const snapshot& s) {
  return {{"pool", s.pool},
          {"key", s.key},
          {"host", s.host},
          {"taken", unix_seconds(s.taken)},
          {"began", unix_seconds(s.began)},
          {"ended", s.ended},
          {"tasks_a_second", s.tasks_a_second},
          {"stats", to_json(s.stats)},
          {"bounds", histogram::bounds},
          {"workers", list_of(s.workers)},
          {"actors", list_of(s.actors)},
          {"tasks", list_of(s.tasks)},
          {"deaths", s.deaths},
          {"slices", list_of(s.slices)},
          {"failures", list_of(s.failures)},
          {"events", list_of(s.events)},
          {"history", list_of(s.history)},
          {"messages", list_of(s.messages)},
          {"unseen", s.unseen}};
}

std::string text_of(const json& document) {
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace bulkhead::observe::detail
