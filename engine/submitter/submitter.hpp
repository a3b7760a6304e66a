#pragma once

#include "engine/courier/packet.hpp"
#include "engine/ledger/ledger.hpp"
#include "engine/submitter/job.hpp"
#include "engine/submitter/nodes.hpp"
#include "engine/wire/messages.hpp"

#include <bulkhead/detail/task_sink.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/options.hpp>
#include <bulkhead/pool_info.hpp>
#include <bulkhead/rabbitmq.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bulkhead::engine {

/// The name of the queue that carries tasks of one module of code.
std::string task_queue_of(const std::string& queue, std::uint64_t module);
/// The name of the exchange that reaches all nodes of a queue.
std::string exchange_of(const std::string& queue);

/// What a submitter needs of the world, besides a clock that it is handed.
struct submitter_ports {
  std::function<void(const std::string& queue, const packed_bytes& message)> publish;
  std::function<void(const packed_bytes& message)> announce;
  std::function<void(const std::string& queue)> look;
  std::function<void(pool_event)> tell;
  std::function<void(std::uint64_t task)> ended; ///< tasks that have their outcome
};

/// The submitter's half of the protocol in docs/cluster.md: what becomes of tasks, of the words of
/// nodes, and of what the broker gives back. Under the pool's lock; no input and output but by its
/// ports, no clock but what it is handed.
class submitter {
public:
  submitter(std::string name, const rabbitmq& engine, const pool_options& options,
            submitter_ports ports);

  bool has_room(std::uint32_t items, std::size_t bytes) const noexcept;
  /// Takes it in; returns the number of the first task.
  std::uint64_t submit(detail::work&& w, time_point now);

  void on_connected(time_point now);
  /// Of the own queue. Whoever may publish there may write it: nothing in it is trusted.
  void on_message(std::span<const std::byte> message, time_point now);
  /// A message of ours found no queue.
  void on_returned(std::span<const std::byte> message, time_point now);
  /// So many batches wait in a queue that look() was called for; UINT64_MAX: it is gone.
  void on_looked(std::string_view queue, std::uint64_t waiting);
  /// What is published goes nowhere, so a new connection may help. Once.
  bool take_wish_for_connection() noexcept { return std::exchange(wants_connection_, false); }
  /// Deadlines, pauses, leases, and what may have been lost. `connected`: nodes can be heard.
  void on_time(time_point now, bool connected);
  time_point next_look() const noexcept;

  /// Sends a batch where one is due; false where none is.
  bool send_batch(time_point now);

  /// True: it has ended and never ran.
  bool cancel(std::uint64_t task, bool kill_running);
  bool cancel_all(const detail::task_sink& sink, bool kill_running);
  void cancel_pending();
  /// Every task ends with this failure, and nodes stop at what they have.
  void end_all(const failure& why);

  bool at_rest() const noexcept { return ledger_.empty(); }
  bool runs(const detail::task_sink& sink);
  pool_stats stats() const;
  std::vector<worker_info> workers() const;
  std::chrono::nanoseconds mean_of(const detail::task_sink& sink) const noexcept;

private:
  struct refused_module {
    time_point since;
    time_point again_at;
    std::vector<task_range> held;
    std::vector<std::string> offers; ///< what nodes say that they have
    bool returned = true;            ///< a batch, since the last try
  };

  job* find(std::uint64_t task) noexcept { return static_cast<job*>(ledger_.find(task)); }
  template <class Message>
  std::optional<Message> read(std::span<const std::byte> message);
  nodes::node& hear(const std::string& node, time_point now);

  void answer_ask(std::span<const std::byte> message, time_point now);
  void take_outcomes(std::span<const std::byte> message, time_point now);
  void take_run(nodes::node& from, const std::string& name, const outcome_run& run, time_point now);
  void take_values(node_number from, const outcome_run& run);
  void deliver(job& j, std::uint64_t first, std::uint32_t count,
               std::span<const std::byte> results);
  void take_failure(const std::string& name, job& j, std::uint64_t task, failure f, time_point now);
  void take_back(job& j, std::uint64_t task);
  void take_offer(std::span<const std::byte> message);
  void take_bye(std::span<const std::byte> message, time_point now);
  void note_mean(const job& j, std::int64_t mean_ns);

  void lose(const std::string& name, time_point now, const std::string& why);
  void end(job& j, std::uint64_t task, failure&& f);
  void left(std::size_t bytes, bool gone) noexcept;
  /// Each task of the ranges that is still there; `f` may end it.
  template <class F>
  void for_tasks(std::span<const task_range> ranges, F&& f);
  /// Each job that has some of these tasks still, with those that are its own.
  template <class F>
  void for_jobs(task_range tasks, F&& f);
  template <class F>
  bool withdraw(job& j, bool kill_running, F&& which);

  void expire(time_point now);
  void resume(time_point now);
  void look_at_leases(time_point now, bool connected);
  void look_at_offers(time_point now);
  void look_at_refused(time_point now);
  void wait_again(task_range tasks);
  template <class F>
  bool offer_again(F&& which); ///< whether any came back
  void accept(std::uint64_t module);
  std::optional<piece> next_piece(std::size_t most_tasks, std::uint64_t module, bool any_module);
  std::size_t fitting(const job& j) const;
  std::string refusal_text(std::uint64_t module, const refused_module& r) const;

  std::string name_;
  std::string queue_;
  std::chrono::nanoseconds nodes_within_;
  std::size_t batch_tasks_;
  std::size_t batch_bytes_;
  const pool_options& options_;
  submitter_ports ports_;
  ledger ledger_;
  nodes nodes_;
  lanes lanes_;
  std::multimap<time_point, std::uint64_t> deadlines_; ///< by first task of a job
  std::multimap<time_point, std::uint64_t> pauses_;
  std::map<std::uint64_t, std::uint32_t> deaths_;   ///< of tasks that are tried again
  std::map<std::uint64_t, refused_module> refused_; ///< by module
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::int64_t> means_; ///< ns, by stub
  std::size_t bytes_ = 0;
  pool_stats stats_;
  time_point next_ping_{};
  time_point last_time_{};
  time_point last_progress_{}; ///< an offer or a question
  time_point next_offers_look_{};
  std::uint32_t vanished_ = 0; ///< how often in a row batches had left their queue unasked for
  bool wants_connection_ = false;
};

template <class F>
void submitter::for_jobs(task_range tasks, F&& f) {
  for (auto task = tasks.first; task != tasks.end();) {
    auto* j = find(task);
    const auto end =
      j == nullptr ? task + 1 : std::min<std::uint64_t>(tasks.end(), j->first + j->tasks.size());
    if (j != nullptr)
      f(*j, task_range{task, static_cast<std::uint32_t>(end - task)});
    task = end;
  }
}

template <class Message>
std::optional<Message> submitter::read(std::span<const std::byte> message) {
  try {
    return unpack<Message>(message);
  } catch (const error&) {
    ++stats_.bad_messages;
    return std::nullopt;
  }
}

// The job may end with one of its tasks, so it is looked up again each time.
template <class F>
void submitter::for_tasks(std::span<const task_range> ranges, F&& f) {
  for (const auto& range : ranges)
    for (auto task = range.first; task != range.end(); ++task)
      if (auto* j = find(task); j != nullptr && ledger::task_of(*j, task).where != place::ended)
        f(*j, task);
}

} // namespace bulkhead::engine
