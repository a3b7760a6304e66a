#pragma once

#include <bulkhead/detail/pool_engine.hpp>
#include <bulkhead/options.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace bulkhead {

/// A pool on many machines: its tasks go through a RabbitMQ broker to the nodes that serve a queue.
///
///     bulkhead::pool pool({.engine = bulkhead::rabbitmq{.url = "amqp://user:secret@broker/",
///                                                       .queue = "thumbnails"}});
///
/// Each task ends in one outcome, and one without retries runs once at most, whatever dies; see
/// docs/cluster.md. Needs the library bulkhead::engine_rabbitmq.
struct rabbitmq {
  /// `amqp://user:password@host:port/vhost`, or amqps:// with TLS, which verifies the broker.
  /// Brokers of one cluster have commas between them, `...@one:5672,two:5672/vhost`: where one
  /// cannot be reached, the next is tried. Without `user:password@` and with certificate_file, the
  /// certificate says who logs in (the broker's mechanism EXTERNAL).
  std::string url;
  /// What nodes and submitters share: 1 to 100 letters, digits, and - _ .
  std::string queue;
  /// A node that is not heard of for so long is lost: its tasks end as worker_died with
  /// exit_cause::node_lost, or are tried again where they have retries. 1 s or more.
  std::chrono::nanoseconds lease = std::chrono::seconds{10};
  /// How long tasks wait for a first node with their code; then they fail. 0: they fail at once.
  std::chrono::nanoseconds nodes_within{};
  std::size_t batch_tasks = 100;     ///< sent together at most, 1 to 10,000
  std::size_t batch_bytes = 65'536;  ///< of arguments sent together at most; one task may have more
  std::string ca_file = {};          ///< who may vouch for the broker; empty: the system's
  std::string certificate_file = {}; ///< the client's own; empty: none
  std::string key_file = {};         ///< of certificate_file

  /// For pool_options::engine. Throws config_error for a member that cannot be.
  operator std::shared_ptr<const detail::pool_engine>() const;
};

/// Options of serve_node.
struct node_options {
  rabbitmq engine;        ///< url, queue and TLS; the rest is the submitters' choice
  pool_options pool = {}; ///< of its workers; without `engine`
  /// How long running tasks may go on once the node is asked to end; then they are killed.
  std::chrono::nanoseconds drain = std::chrono::seconds{30};
  /// Told what happens to the connection, a line each; runs in the calling thread.
  std::function<void(const std::string&)> on_message = {};
  /// The queues of tasks are quorum queues, which outlive a broker of a cluster of three or more.
  /// The same for all nodes of a queue: a broker refuses who asks for another kind than is there.
  bool replicated = false;
};

/// Makes the calling process a node: takes tasks from the queue, for this program and the task
/// libraries that it has loaded, runs them in a pool of its own, and answers. Returns when the
/// descriptor `stop` becomes readable and what runs has ended or `drain` has passed, within some
/// seconds more. A second byte there ends it at once. Throws config_error where an option cannot
/// work, and pool_broken where the broker refuses the node or its workers cannot live.
void serve_node(const node_options& options, int stop);

/// For the main of a node: as serve_node, until SIGTERM or SIGINT, which it blocks in this process;
/// a second one ends the node at once. Messages go to standard error, a line each. Returns the exit
/// status: 0 after an orderly end, 1 where it could not serve, 2 where an option cannot work. Call
/// it after init and before threads are started.
int run_node(const node_options& options);

/// What the nodes of a queue say of themselves.
struct node_info {
  std::string name;    ///< of one life of one process
  std::string version; ///< of the library
  std::uint64_t workers = 0;
  std::uint64_t running = 0;              ///< tasks now
  std::chrono::nanoseconds clock_ahead{}; ///< its system clock, against this machine's
  std::vector<std::string> modules;       ///< programs and libraries that it offers, with build ids
};

/// Asks all nodes of the queue and waits `patience` for their answers. Throws config_error, and
/// pool_broken where the broker cannot be reached or refuses.
std::vector<node_info> find_nodes(const rabbitmq& engine, std::chrono::nanoseconds patience);

} // namespace bulkhead
