#include "observe/output/metrics.hpp"

#include "observe/output/words.hpp"

#include <bulkhead/observe/watch.hpp>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <utility>

// Each figure of a snapshot becomes a family of prometheus-cpp, whose serialiser writes the text;
// names and units follow the conventions of Prometheus. Made anew for each scrape, so that nothing
// is registered and nothing goes stale.
namespace bulkhead::observe {

namespace detail {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using labels = std::vector<ClientMetric::Label>;

/// Families in the order in which they were named first.
class families {
public:
  void number(MetricType type, const char* name, const char* help, labels l, double value) {
    ClientMetric one;
    one.label = std::move(l);
    (type == MetricType::Counter ? one.counter.value : one.gauge.value) = value;
    of(type, name, help).metric.push_back(std::move(one));
  }

  void times(const char* name, const char* help, labels l, const histogram& h) {
    ClientMetric one;
    one.label = std::move(l);
    one.histogram.sample_count = h.count();
    one.histogram.sample_sum = h.sum_seconds();
    std::uint64_t so_far = 0;
    for (std::size_t i = 0; i < h.counts().size(); ++i) {
      so_far += h.counts()[i];
      one.histogram.bucket.push_back({so_far, i < histogram::bounds.size()
                                                ? histogram::bounds[i]
                                                : std::numeric_limits<double>::infinity()});
    }
    of(MetricType::Histogram, name, help).metric.push_back(std::move(one));
  }

  std::string text() const { return prometheus::TextSerializer{}.Serialize(all_); }

private:
  MetricFamily& of(MetricType type, const char* name, const char* help) {
    const auto [known, is_new] = places_.emplace(name, all_.size());
    if (is_new)
      all_.push_back({name, help, type, {}});
    return all_[known->second];
  }

  std::vector<MetricFamily> all_;
  std::map<std::string, std::size_t> places_;
};

double number_of(std::uint64_t n) noexcept { return static_cast<double>(n); }

labels with(const labels& pool, std::initializer_list<ClientMetric::Label> more) {
  auto all = pool;
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

void add_tasks(families& to, const labels& pool, const snapshot& s) {
  constexpr auto counter = MetricType::Counter;
  const auto& n = s.stats;
  to.number(counter, "bulkhead_tasks_submitted_total", "Tasks that were submitted.", pool,
            number_of(n.submitted));
  const std::pair<const char*, std::uint64_t> ends[] = {
    {"succeeded", n.succeeded}, {"failed", n.failed}, {"cancelled", n.cancelled}};
  for (const auto& [outcome, count] : ends)
    to.number(counter, "bulkhead_tasks_total", "Tasks that ended, by outcome.",
              with(pool, {{"outcome", outcome}}), number_of(count));
  to.number(counter, "bulkhead_task_retries_total", "Attempts after the first.", pool,
            number_of(n.retried));
  to.number(counter, "bulkhead_tasks_requeued_total",
            "Tasks that moved on unclaimed from a dead worker.", pool, number_of(n.requeued));
  to.number(MetricType::Gauge, "bulkhead_tasks_queued", "Tasks that wait for a worker.", pool,
            number_of(n.queued));
  to.number(MetricType::Gauge, "bulkhead_tasks_in_flight",
            "Tasks that were sent to a worker and are not answered.", pool, number_of(n.in_flight));
  for (const auto& t : s.tasks) {
    const auto l = with(pool, {{"task", as_utf8(t.name)}});
    to.times("bulkhead_task_run_seconds", "Time that tasks ran in their worker.", l, t.run);
    to.times("bulkhead_task_wait_seconds", "Time from submit to the start.", l, t.wait);
    to.times("bulkhead_task_dispatch_seconds", "Time from being sent to a worker to the start.", l,
             t.dispatch);
  }
  to.number(counter, "bulkhead_tasks_unseen_total",
            "Outcomes that came too fast to be in the histograms.", pool, number_of(s.unseen));
}

void add_workers(families& to, const labels& pool, const snapshot& s) {
  constexpr auto counter = MetricType::Counter;
  constexpr auto gauge = MetricType::Gauge;
  std::map<std::pair<worker_kind, worker_state>, std::uint64_t> states;
  for (const auto kind : {worker_kind::tasks, worker_kind::actors})
    for (const auto state : {worker_state::starting, worker_state::idle, worker_state::busy,
                             worker_state::draining, worker_state::dead})
      states[{kind, state}] = 0;
  for (const auto& w : s.workers) {
    ++states[{w.worker.kind, w.worker.state}];
    if (w.worker.state == worker_state::dead)
      continue;
    const auto l = with(pool, {{"kind", std::string(to_string(w.worker.kind))},
                               {"worker", std::to_string(w.worker.id)}});
    to.number(gauge, "bulkhead_worker_resident_memory_bytes", "Resident memory of a worker.", l,
              number_of(w.worker.rss_bytes));
    to.number(counter, "bulkhead_worker_cpu_seconds_total", "Processor time of a worker.", l,
              w.cpu_seconds);
    to.number(gauge, "bulkhead_worker_open_fds", "Open descriptors of a worker.", l,
              number_of(w.descriptors));
    to.number(counter, "bulkhead_worker_tasks_total",
              "Tasks that a worker answered, or messages that its actors handled.", l,
              number_of(w.worker.tasks_done));
    to.number(counter, "bulkhead_worker_busy_seconds_total", "Time a worker spent in tasks.", l,
              std::chrono::duration<double>(w.worker.busy).count());
  }
  for (const auto& [what, count] : states)
    to.number(gauge, "bulkhead_workers", "Workers, by kind and state.",
              with(pool, {{"kind", std::string(to_string(what.first))},
                          {"state", std::string(to_string(what.second))}}),
              number_of(count));
  to.number(counter, "bulkhead_worker_restarts_total",
            "Replacements of workers that ended unasked.", pool, number_of(s.stats.restarts));
  to.number(counter, "bulkhead_worker_recycles_total",
            "Replacements of workers that the pool "
            "ended.",
            pool, number_of(s.stats.recycled));
  for (const auto& [cause, count] : s.deaths)
    to.number(counter, "bulkhead_worker_deaths_total",
              "Ends of workers that nobody asked for, by cause.", with(pool, {{"cause", cause}}),
              number_of(count));
  to.number(counter, "bulkhead_bad_messages_total",
            "Workers killed for breaking the wire protocol.", pool,
            number_of(s.stats.bad_messages));
}

void add_actors(families& to, const labels& pool, const snapshot& s) {
  to.number(MetricType::Counter, "bulkhead_dead_letters_total",
            "Plain messages that could not be passed on.", pool, number_of(s.stats.dead_letters));
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> types;
  for (const auto& a : s.actors) {
    auto& [actors, mailbox] = types[a.type];
    ++actors;
    mailbox += a.mailbox;
  }
  for (const auto& [type, counts] : types) {
    const auto l = with(pool, {{"type", as_utf8(type)}});
    to.number(MetricType::Gauge, "bulkhead_actors", "Actors in workers, by type.", l,
              number_of(counts.first));
    to.number(MetricType::Gauge, "bulkhead_actor_mailbox_messages",
              "Messages that wait for actors, by type.", l, number_of(counts.second));
  }
}

} // namespace

std::string metrics_text(const std::vector<snapshot>& pools) {
  families all;
  for (const auto& s : pools) {
    // Two pools of one name differ by their number.
    const labels pool{{"pool", s.pool.empty() ? "pool-" + std::to_string(s.key) : as_utf8(s.pool)},
                      {"pool_number", std::to_string(s.key)}};
    add_tasks(all, pool, s);
    add_workers(all, pool, s);
    add_actors(all, pool, s);
  }
  return all.text();
}

} // namespace detail

std::string metrics_text() { return detail::metrics_text(all_watched()); }

} // namespace bulkhead::observe
