#pragma once

#include "tests/support/broker.hpp"

#include <bulkhead/descriptor.hpp>
#include <bulkhead/process.hpp>
#include <bulkhead/rabbitmq.hpp>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace bulkhead::tests {

/// What a test's node is told.
struct node_wish {
  std::string url;
  std::string queue;
  std::size_t workers = 1;
  bool replicated = false;
  std::string ca_file = {};
  std::string certificate_file = {};
  std::string key_file = {};

  template <class Inspector>
  friend auto inspect(Inspector& f, node_wish& x) {
    return f(x.url, x.queue, x.workers, x.replicated, x.ca_file, x.certificate_file, x.key_file);
  }
};

/// The process of a node: this program, serving until the writing end of the pipe is closed.
inline void node_main(node_wish wish, descriptor stop) {
  node_options options{.engine = {.url = wish.url,
                                  .queue = wish.queue,
                                  .lease = std::chrono::seconds{2},
                                  .ca_file = wish.ca_file,
                                  .certificate_file = wish.certificate_file,
                                  .key_file = wish.key_file},
                       .pool = {.workers = wish.workers},
                       .drain = std::chrono::seconds{20},
                       .replicated = wish.replicated};
  serve_node(options, stop.fd());
}

/// A node in a process of its own, which a test may kill, suspend or end in order.
class test_node {
public:
  test_node(const std::string& url, const std::string& queue, std::size_t workers = 1)
    : test_node(node_wish{url, queue, workers}) {}
  explicit test_node(const node_wish& wish) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
      throw std::runtime_error("pipe2");
    const descriptor theirs{ends[0]};
    stop_ = descriptor{ends[1]};
    process_ = std::make_unique<process>(node_main, wish, theirs);
    process_->start();
  }
  test_node(test_node&&) = default;

  void kill() { process_->kill(); }
  void suspend() { ::kill(process_->pid(), SIGSTOP); }
  void resume() { ::kill(process_->pid(), SIGCONT); }
  /// Ends it in order; what became of it.
  outcome<void> end() {
    stop_ = {};
    return process_->outcome<void>();
  }
  process& own() noexcept { return *process_; }

private:
  descriptor stop_;
  std::unique_ptr<process> process_;
};

} // namespace bulkhead::tests
