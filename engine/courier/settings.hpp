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
  bool is_node = false; ///< it hears what is announced

  template <class Inspector>
  friend auto inspect(Inspector& f, courier_settings& x) {
    return f(x.url, x.ca_file, x.certificate_file, x.key_file, x.own_queue, x.exchange,
             x.task_queues, x.heartbeat_s, x.is_node);
  }
};

/// "amqp://user:***@host:5672/vhost": what may be shown.
std::string without_password(const std::string& url);

} // namespace bulkhead::engine
