#pragma once

#include "runtime/channel/channel_layout.hpp"
#include "runtime/worker/span_notes.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

namespace bulkhead::runtime {

/// What this_worker and this_task answer from. One a worker process, one a worker thread.
class task_context {
public:
  /// `captured`: the host keeps what the worker prints.
  task_context(std::size_t worker, std::string pool, const host_page& host, worker_page& mine,
               bool captured = true)
    : worker_(worker), pool_(std::move(pool)), host_(host), mine_(mine), captured_(captured) {}

  /// The context of the calling thread's worker, or null. In a worker process every thread has it.
  static task_context* current() noexcept;
  /// Makes `context` the current one: of the process, or of this thread only.
  static void install(task_context* context, bool thread_only) noexcept;

  void begin(position where, std::uint64_t id, std::uint32_t attempt,
             std::optional<std::chrono::steady_clock::time_point> deadline) noexcept;
  void end() noexcept;

  std::size_t worker() const noexcept { return worker_; }
  const std::string& pool() const noexcept { return pool_; }
  std::uint64_t task() const noexcept {
    return id_.load(std::memory_order_relaxed); // as in stop_requested()
  }
  std::uint32_t attempt() const noexcept { return attempt_; }
  std::optional<std::chrono::steady_clock::time_point> deadline() const noexcept {
    return deadline_;
  }
  /// For whoever runs many tasks between begin() and end(): where the running one is noted, and
  /// whether it needs an end() of its own.
  std::atomic<std::uint64_t>& where() noexcept { return where_; }
  std::atomic<std::uint64_t>& id() noexcept { return id_; }
  const std::atomic<bool>& untidy() const noexcept { return untidy_; }

  bool stop_requested() const noexcept;
  std::stop_token stop_token();
  void progress(double fraction) noexcept;
  /// Keeps a line where the host finds it, unless it keeps all that is printed.
  void log(std::string_view line) noexcept;

  /// Whether somebody wants to hear of spans.
  bool is_watched() const noexcept {
    return host_.watched.load(std::memory_order_relaxed)
           != 0; // a hint; nothing is read on its word
  }
  void add_span(const detail::task_span& s) noexcept;
  span_notes& spans() noexcept { return spans_; }

private:
  void poll_stop(const std::stop_token& until, std::stop_source& source) const;

  std::size_t worker_;
  std::string pool_;
  const host_page& host_;
  worker_page& mine_;
  const bool captured_;
  std::atomic<std::uint64_t> where_{no_position};
  std::atomic<std::uint64_t> id_{0};
  std::uint32_t attempt_ = 0;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  std::atomic<bool> untidy_{false}; // it has asked for a stop token, or told something
  std::mutex stop_mutex_;
  span_notes spans_;
  std::optional<std::stop_source> stop_; // of the running task, if it asked
  std::jthread poller_;
};

} // namespace bulkhead::runtime
