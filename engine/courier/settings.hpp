#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bulkhead::engine {

/// What a courier needs to know. Travels to its process.
struct courier_settings {
  std::string url;
  std::string ca_file;          ///< of amqps; empty: the system's
  std::string certificate_file; ///< the client's own; empty: none
  std::string key_file;
  std::string own_queue;                ///< where its host listens; exclusive
  std::string exchange;                 ///< that reaches all nodes of the queue
  std::vector<std::string> task_queues; ///< that a node takes batches from
  std::uint32_t heartbeat_s = 5;
  bool is_node = false;    ///< it hears what is announced
  bool replicated = false; ///< the queues of tasks are quorum queues

  template <class Inspector>
  friend auto inspect(Inspector& f, courier_settings& x) {
    return f(x.url, x.ca_file, x.certificate_file, x.key_file, x.own_queue, x.exchange,
             x.task_queues, x.heartbeat_s, x.is_node, x.replicated);
  }
};

/// A URL may name several brokers, "amqp://user:password@a:5672,b:5672/vhost": the URL of that one
/// whose turn it is after so many tries.
std::string url_of_try(const std::string& url, std::uint32_t tries);

/// Whether the URL says who logs in.
bool names_user(const std::string& url);

/// "amqp://user:***@host:5672/vhost": what may be shown.
std::string without_password(const std::string& url);

} // namespace bulkhead::engine
