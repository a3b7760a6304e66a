#include "engine/node/result_box.hpp"

#include "engine/wire/failure_record.hpp"
#include "runtime/outcome/failure_of.hpp"
#include "runtime/system/bell.hpp"

#include <cstring>
#include <utility>

namespace bulkhead::engine {

namespace {

constexpr std::size_t most_result = std::size_t{60} << 20; ///< what a broker takes, with its frame
constexpr std::size_t large_run = std::size_t{1} << 20;

// A task that ended with its pool or by a cancel, and never began, may run elsewhere.
bool never_began(const failure& f) noexcept {
  return !f.may_have_executed
         && (f.kind == failure_kind::cancelled || f.kind == failure_kind::pool_closed
             || f.kind == failure_kind::pool_broken);
}

} // namespace

void result_box::begin_end() {
  const std::lock_guard lock{mutex_};
  ending_ = true;
}

result_box::result_box() : bell_(runtime::make_bell("the bell of a node's results")) {}

std::vector<piece_outcomes> result_box::take() {
  std::vector<std::shared_ptr<result_sink>> filled; // ended without the lock
  std::vector<piece_outcomes> all;
  const std::lock_guard lock{mutex_};
  runtime::hush(bell_.get());
  filled.swap(filled_);
  for (const auto& sink : filled) {
    auto& kept = sink->outcomes_;
    all.push_back({kept.pool, kept.first, kept.number, std::exchange(kept.runs, {})});
  }
  return all;
}

result_sink::result_sink(result_box& box, std::string pool, std::uint64_t first,
                         std::uint64_t number)
  : box_(box), outcomes_{std::move(pool), first, number, {}} {}

// The last run where the task continues it; a failure is alone, and so is what is large.
outcome_run& result_sink::run_of(run_kind kind, std::uint64_t task) {
  auto& runs = outcomes_.runs;
  if (kind == run_kind::failure || runs.empty() || runs.back().kind != kind
      || runs.back().tasks.end() != task || runs.back().bytes.size() > large_run) {
    runs.emplace_back();
    runs.back().kind = kind;
    runs.back().number = outcomes_.number;
    runs.back().tasks = {task, 0};
  }
  ++runs.back().tasks.count;
  return runs.back();
}

// Without memory for an outcome the node ends here: else it would keep a task for ever that nobody
// hears of again.
template <class F>
void result_sink::add(F&& f) noexcept {
  const std::lock_guard lock{box_.mutex_};
  const bool first = outcomes_.runs.empty();
  f();
  const auto mean = mean_item_ns.load(std::memory_order_relaxed); // a hint
  outcomes_.runs.back().mean_ns = mean;
  if (!first)
    return;
  box_.filled_.push_back(shared_from_this());
  if (box_.filled_.size() == 1)
    runtime::ring(box_.bell_.get());
}

void result_sink::add_value(std::uint64_t task, std::span<const std::byte> result) {
  auto& to = run_of(run_kind::values, task).bytes;
  const auto length = static_cast<std::uint32_t>(result.size());
  const auto at = to.size();
  to.resize(at + sizeof length + result.size());
  std::memcpy(to.data() + at, &length, sizeof length);
  if (!result.empty())
    std::memcpy(to.data() + at + sizeof length, result.data(), result.size());
}

void result_sink::on_value(std::uint64_t task, std::span<const std::byte> result) noexcept {
  if (result.size() > most_result) {
    auto f = runtime::failure_of(failure_kind::too_large,
                                 "the result has more bytes than travel through a broker, 60 MiB; "
                                 "write a file that the submitter can read and return its path");
    f.may_have_executed = true;
    return on_failure(task, std::move(f));
  }
  add([&] { add_value(task, result); });
}

void result_sink::on_large_value(std::uint64_t task, detail::buffer&& result) noexcept {
  if (result.descriptors() == nullptr)
    return on_value(task, result.bytes());
  auto f = runtime::failure_of(failure_kind::codec,
                               "the result holds open descriptors or shared memory, which do not "
                               "travel to another machine");
  f.may_have_executed = true;
  on_failure(task, std::move(f));
}

void result_sink::on_column(std::uint64_t first, detail::result_column&& results) noexcept {
  add([&] {
    auto task = first;
    results.for_each([&](std::span<const std::byte> result) { add_value(task++, result); });
  });
}

void result_sink::on_failure(std::uint64_t task, failure&& f) noexcept {
  add([&] {
    if (never_began(f)) {
      run_of(run_kind::not_begun, task);
      return;
    }
    if (box_.ending_ && f.kind == failure_kind::cancelled) { // nobody has cancelled it
      f.kind = failure_kind::worker_died;
      f.exit.cause = exit_cause::node_lost;
      f.message = "its node was ended while the task ran";
    }
    run_of(run_kind::failure, task).bytes = encode_record(f);
  });
}

} // namespace bulkhead::engine
