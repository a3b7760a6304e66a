#pragma once

#include "engine/ledger/ledger.hpp"

#include <bulkhead/detail/codec.hpp>
#include <bulkhead/detail/function_ref.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

// What submitters and nodes say to each other through the broker. Whoever may publish to a queue
// may write these, so a receiver trusts no number in them. The protocol is in docs/cluster.md.
namespace bulkhead::engine {

/// First in each message, with the version of the protocol.
enum class message_kind : std::uint32_t {
  batch = 0x31684201, ///< "?Bh1": submitter to whoever takes it
  ask,                ///< node to submitter
  grant,              ///< submitter to node
  outcomes,           ///< node to submitter
  settled,            ///< submitter to node
  ping,               ///< submitter to node
  pong,               ///< node to submitter
  stop,               ///< submitter to node
  bye,                ///< submitter to node, node to submitter
  who,                ///< anybody to all nodes of a queue
  offer,              ///< node to who asked
};

/// Tasks that were submitted together, with one callable.
struct piece {
  std::uint64_t first = 0; ///< number of the first task
  std::uint32_t count = 0;
  detail::function_ref stub;
  detail::function_ref loop;
  std::uint32_t item_bytes = 0;   ///< of each task's arguments, or varying
  std::uint32_t result_bytes = 0; ///< of each task's result, or varying
  std::uint32_t callable_bytes = 0;
  std::int64_t timeout_ns = 0;
  std::int64_t soft_timeout_ns = 0;
  std::int32_t priority = 0;
  std::vector<std::byte> body; ///< callable, then the arguments, as in detail::work

  template <class Inspector>
  friend auto inspect(Inspector& f, piece& x) {
    return f(x.first, x.count, x.stub, x.loop, x.item_bytes, x.result_bytes, x.callable_bytes,
             x.timeout_ns, x.soft_timeout_ns, x.priority, x.body);
  }
};

struct batch_message {
  std::string pool; ///< of the submitter: the queue where it listens
  std::int64_t lease_ns = 0;
  std::vector<piece> pieces;

  template <class Inspector>
  friend auto inspect(Inspector& f, batch_message& x) {
    return f(x.pool, x.lease_ns, x.pieces);
  }
};

struct ask_message {
  std::string node;         ///< the queue where it listens; names one life of one process
  std::uint64_t number = 0; ///< grows with each question of this node to this submitter
  std::vector<task_range> wanted;

  template <class Inspector>
  friend auto inspect(Inspector& f, ask_message& x) {
    return f(x.node, x.number, x.wanted);
  }
};

struct granted_range {
  task_range tasks;
  std::int64_t left_ns = 0; ///< until their deadline; 0: none

  template <class Inspector>
  friend auto inspect(Inspector& f, granted_range& x) {
    return f(x.tasks, x.left_ns);
  }
};

struct grant_message {
  std::string pool;
  std::uint64_t number = 0; ///< of the question
  std::vector<granted_range> granted;
  std::vector<task_range> denied;

  template <class Inspector>
  friend auto inspect(Inspector& f, grant_message& x) {
    return f(x.pool, x.number, x.granted, x.denied);
  }
};

/// What became of tasks that follow one another.
enum class run_kind : std::uint32_t {
  values,   ///< `bytes`: each result behind its 32-bit length
  failure,  ///< of one task; `bytes`: as encode_record writes it
  not_begun ///< they never will here
};

struct outcome_run {
  run_kind kind = run_kind::values;
  std::uint64_t number = 0; ///< of the question that brought the grant
  task_range tasks;
  std::int64_t mean_ns = 0; ///< of one task; 0: unknown
  std::vector<std::byte> bytes;

  template <class Inspector>
  friend auto inspect(Inspector& f, outcome_run& x) {
    return f(x.kind, x.number, x.tasks, x.mean_ns, x.bytes);
  }
};

struct outcomes_message {
  std::string node;
  std::uint64_t letter = 0; ///< what `settled` names
  std::vector<outcome_run> runs;

  template <class Inspector>
  friend auto inspect(Inspector& f, outcomes_message& x) {
    return f(x.node, x.letter, x.runs);
  }
};

struct settled_message {
  std::string pool;
  std::uint64_t letter = 0;

  template <class Inspector>
  friend auto inspect(Inspector& f, settled_message& x) {
    return f(x.pool, x.letter);
  }
};

/// Ping, pong and bye.
struct sign_message {
  std::string from;

  template <class Inspector>
  friend auto inspect(Inspector& f, sign_message& x) {
    return f(x.from);
  }
};

struct stop_message {
  std::string pool;
  bool kill_running = false;
  std::vector<task_range> tasks;

  template <class Inspector>
  friend auto inspect(Inspector& f, stop_message& x) {
    return f(x.pool, x.kill_running, x.tasks);
  }
};

/// What a node offers, for people and for the error of a task that nobody takes.
struct offer_message {
  std::string node;
  std::string version;
  std::uint64_t workers = 0;
  std::uint64_t running = 0;
  std::int64_t clock_ns = 0;        ///< its system clock, since 1970
  std::vector<std::string> modules; ///< "path (build id)"

  template <class Inspector>
  friend auto inspect(Inspector& f, offer_message& x) {
    return f(x.node, x.version, x.workers, x.running, x.clock_ns, x.modules);
  }
};

using packed_bytes = std::vector<std::byte>;

template <class Message>
packed_bytes pack(message_kind kind, const Message& content) {
  detail::buffer out;
  detail::encode(out, kind);
  detail::encode(out, content);
  return {out.data(), out.data() + out.size()};
}

/// Empty where the bytes do not say.
message_kind kind_of(std::span<const std::byte> packed) noexcept;

/// Throws codec_error whatever the bytes are.
template <class Message>
Message unpack(std::span<const std::byte> packed) {
  detail::reader in{packed.subspan(sizeof(message_kind))};
  auto content = detail::decode<Message>(in);
  in.expect_end();
  return content;
}

/// Whether the ranges are in order, not empty, and hold at most `most` tasks together.
bool sound(std::span<const task_range> ranges, std::uint64_t most) noexcept;

/// Whether the body holds what the piece claims: then its tasks can be cut out of it.
bool sound(const piece& p) noexcept;

/// Whether there are as many results as the run has tasks.
bool sound(const outcome_run& run) noexcept;

/// These tasks of `p`, which is sound and has so many.
piece part_of(const piece& p, std::uint32_t skip, std::uint32_t count);

} // namespace bulkhead::engine
