#pragma once

#include "runtime/channel/channel.hpp"
#include "runtime/channel/segment_inbox.hpp"
#include "runtime/dispatch/ledger.hpp"

#include <bulkhead/tasks.hpp>

#include <cstddef>
#include <cstring>
#include <map>
#include <string>
#include <vector>

/// The parts that every task passes, one turn each: timed by micro_bench, counted by
/// instruction_counts_test.
namespace bulkhead::hot_paths {

/// An answer is written to a ring and read.
class ring {
public:
  /// How many bytes were read.
  std::size_t turn() {
    runtime::answer_header h{};
    h.size = 64;
    h.kind = runtime::answer_kind::result;
    h.bytes = 32;
    std::memcpy(peer_.answers + peer_.mine->ans_tail % bytes, &h, sizeof h);
    peer_.mine->ans_tail += h.size;
    std::size_t taken = 0;
    link_.drain(8, [&](const runtime::answer& a) {
      taken += a.payload.size();
      return true;
    });
    return taken;
  }

private:
  static constexpr std::size_t bytes = 4096;
  runtime::channel link_{bytes, runtime::channel::peer::thread};
  runtime::segment_inbox inbox_;
  runtime::worker_port peer_ = link_.thread_end(inbox_);
};

/// A value of some depth is encoded and decoded.
class codec {
public:
  /// How many entries it has.
  std::size_t turn() {
    bytes_.clear();
    detail::encode(bytes_, value_);
    detail::reader in{bytes_.bytes()};
    return detail::decode<row>(in).size();
  }

private:
  using row = std::map<std::string, std::vector<int>>;
  const row value_{{"first", {1, 2, 3}}, {"second", {}}, {"third", std::vector<int>(50, 7)}};
  detail::buffer bytes_;
};

/// Two tasks pass their places, one of them twice.
class ledger {
public:
  bool turn() {
    using namespace runtime;
    tasks_.submit(2);
    tasks_.send(2);
    tasks_.come_back(1);
    tasks_.send(1);
    tasks_.end(task_end::succeeded, task_place::sent);
    tasks_.try_again();
    tasks_.end(task_end::cancelled, task_place::waiting);
    return tasks_.at_rest();
  }

private:
  runtime::ledger tasks_;
};

} // namespace bulkhead::hot_paths
