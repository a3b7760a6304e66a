#pragma once

#include "engine/ledger/ledger.hpp"
#include "engine/wire/messages.hpp"
#include "runtime/system/unique_fd.hpp"

#include <bulkhead/detail/task_sink.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace bulkhead::engine {

/// Outcomes of one granted piece, since they were last taken.
struct piece_outcomes {
  std::string pool;         ///< the submitter
  std::uint64_t first = 0;  ///< task of the piece, which names it
  std::uint64_t number = 0; ///< of the question that brought the grant
  std::vector<outcome_run> runs;
};

class result_sink;

/// Where a node's pool puts what became of tasks, until the node's thread takes it. Thread-safe.
class result_box {
public:
  result_box();

  /// Readable while there is something.
  int fd() const noexcept { return bell_.get(); }
  std::vector<piece_outcomes> take();
  /// Tasks that are killed from now on are not cancelled: they end with their node.
  void begin_end();

private:
  friend result_sink;

  std::mutex mutex_;
  std::vector<std::shared_ptr<result_sink>> filled_;
  bool ending_ = false;
  runtime::unique_fd bell_;
};

/// Takes the outcomes of one granted piece; its items are called by the numbers of their tasks.
class result_sink final : public detail::task_sink,
                          public std::enable_shared_from_this<result_sink> {
public:
  result_sink(result_box& box, std::string pool, std::uint64_t first, std::uint64_t number);

  void on_value(std::uint64_t task, std::span<const std::byte> result) noexcept override;
  void on_large_value(std::uint64_t task, detail::buffer&& result) noexcept override;
  void on_column(std::uint64_t first, detail::result_column&& results) noexcept override;
  void on_failure(std::uint64_t task, failure&& f) noexcept override;

private:
  friend result_box;
  void add_value(std::uint64_t task, std::span<const std::byte> result);
  template <class F>
  void add(F&& f) noexcept;
  outcome_run& run_of(run_kind kind, std::uint64_t task);

  result_box& box_;
  piece_outcomes outcomes_; ///< guarded by the box's mutex
};

} // namespace bulkhead::engine
