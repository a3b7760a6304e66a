#include "runtime/worker/task_context.hpp"

#include "runtime/crash/crash_log.hpp"
#include "runtime/process/alone.hpp"

#include <bulkhead/span.hpp>
#include <bulkhead/worker.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

// What a task may ask of its worker. The task's thread begins and ends it; threads that the task
// has started may ask meanwhile. In the thread method each worker has its own, found by its thread.
namespace bulkhead::runtime {

namespace {
task_context* of_process = nullptr;
thread_local task_context* of_thread = nullptr;
} // namespace

task_context* task_context::current() noexcept {
  return of_thread != nullptr ? of_thread : of_process;
}

void task_context::install(task_context* context, bool thread_only) noexcept {
  (thread_only ? of_thread : of_process) = context;
}

// Relaxed: where_ and id_ are asked by threads of the task, which its start has ordered.
void task_context::begin(position where, std::uint64_t id, std::uint32_t attempt,
                         std::optional<std::chrono::steady_clock::time_point> deadline) noexcept {
  where_.store(where, std::memory_order_relaxed);
  id_.store(id, std::memory_order_relaxed);
  attempt_ = attempt;
  deadline_ = deadline;
}

// Relaxed: as in begin().
void task_context::end() noexcept {
  if (stop_) {
    std::lock_guard lock{stop_mutex_};
    poller_ = {};
    stop_.reset();
  }
  untidy_.store(false, std::memory_order_relaxed); // a hint of the task to its own thread
  where_.store(no_position, std::memory_order_relaxed);
  id_.store(0, std::memory_order_relaxed);
  attempt_ = 0;
  deadline_.reset();
  // relaxed: only this worker writes it. The next task's claim follows with an order of its own, so
  // whoever sees that task run does not take this one's progress for its.
  if (mine_.progress.load(std::memory_order_relaxed) != 0)
    mine_.progress.store(0, std::memory_order_relaxed);
}

// Relaxed: it is asked again and again; nothing else is read on its word.
bool task_context::stop_requested() const noexcept {
  const auto where = where_.load(std::memory_order_relaxed);
  if (where == no_position)
    return host_.stop.load(std::memory_order_relaxed) != 0;
  const auto asked = host_.stop_task.load(std::memory_order_relaxed);
  return asked == where || asked == no_position;
}

std::stop_token task_context::stop_token() {
  std::lock_guard lock{stop_mutex_};
  untidy_.store(true, std::memory_order_relaxed); // read by the task's thread, behind the task
  if (!stop_) {
    stop_.emplace();
    // Made only where somebody asks for a token: most tasks never do.
    poller_ = std::jthread(
      [this, source = *stop_](const std::stop_token& until) mutable { poll_stop(until, source); });
  }
  return stop_->get_token();
}

void task_context::poll_stop(const std::stop_token& until, std::stop_source& source) const {
  // The request is a word in the host's memory; nothing wakes a sleeper here, so look every 5 ms.
  while (!until.stop_requested()) {
    if (stop_requested()) {
      source.request_stop();
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
}

void task_context::progress(double fraction) noexcept {
  untidy_.store(true, std::memory_order_relaxed); // read by the task's thread, behind the task
  const auto clamped = fraction > 0 ? std::min(fraction, 1.0) : 0.0; // NaN is 0
  mine_.progress.store(static_cast<std::uint64_t>(clamped * 1e6), std::memory_order_relaxed);
}

void task_context::add_span(const detail::task_span& s) noexcept {
  untidy_.store(true, std::memory_order_relaxed); // read by the task's thread, behind the task
  spans_.add(s);
}

void task_context::log(std::string_view line) noexcept {
  if (!captured_)
    record_log_line(mine_.recorder, line);
}

} // namespace bulkhead::runtime

namespace bulkhead::this_worker {

namespace {
constexpr std::size_t longest_line = 4095; // with its end, a write that no other tears apart
}

using runtime::task_context;

using runtime::own_lone_identity;

bool active() noexcept {
  return task_context::current() != nullptr || own_lone_identity() != nullptr;
}

std::size_t id() noexcept {
  if (const auto* c = task_context::current())
    return c->worker();
  const auto* lone = own_lone_identity();
  return lone != nullptr ? lone->number : 0;
}

std::string_view pool_name() noexcept {
  if (const auto* c = task_context::current())
    return c->pool();
  const auto* lone = own_lone_identity();
  return lone != nullptr ? std::string_view(lone->name) : std::string_view();
}

bool stop_requested() noexcept {
  const auto* c = task_context::current();
  return c != nullptr ? c->stop_requested() : runtime::stop_request::made();
}

std::stop_token stop_token() {
  auto* c = task_context::current();
  return c != nullptr ? c->stop_token() : runtime::stop_request::token();
}

void log(std::string_view line) noexcept {
  line = line.substr(0, longest_line);
  if (auto* c = task_context::current())
    c->log(line);
  std::array<char, longest_line + 1> whole;
  std::memcpy(whole.data(), line.data(), line.size());
  whole[line.size()] = '\n';
  // Nobody is to be told where it cannot be written.
  static_cast<void>(::write(STDERR_FILENO, whole.data(), line.size() + 1) < 0);
}

} // namespace bulkhead::this_worker

namespace bulkhead::this_task {

using runtime::task_context;

std::uint64_t id() noexcept {
  const auto* c = task_context::current();
  return c != nullptr ? c->task() : 0;
}

std::size_t attempt() noexcept {
  const auto* c = task_context::current();
  return c != nullptr ? c->attempt() : 0;
}

std::optional<std::chrono::steady_clock::time_point> deadline() noexcept {
  const auto* c = task_context::current();
  return c != nullptr ? c->deadline() : std::nullopt;
}

void progress(double fraction) noexcept {
  if (auto* c = task_context::current())
    c->progress(fraction);
}

span::span(std::string_view name) noexcept {
  const auto* c = task_context::current();
  if (c == nullptr || !c->is_watched())
    return;
  length_ = std::min(name.size(), name_.size());
  std::copy_n(name.data(), length_, name_.data());
  task_ = c->task();
  began_ = std::chrono::steady_clock::now();
}

void span::end() noexcept {
  const auto task = std::exchange(task_, 0);
  auto* c = task == 0 ? nullptr : task_context::current();
  if (c == nullptr || c->task() != task) // of a thread that has outlived its task
    return;
  c->add_span({task, {name_.data(), length_}, began_, std::chrono::steady_clock::now() - began_});
}

} // namespace bulkhead::this_task
