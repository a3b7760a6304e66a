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

/// The process of a node: this program, serving until the writing end of the pipe is closed.
inline void node_main(std::string url, std::string queue, std::size_t workers, descriptor stop) {
  node_options options{.engine = {.url = url, .queue = queue, .lease = std::chrono::seconds{2}},
                       .pool = {.workers = workers},
                       .drain = std::chrono::seconds{20}};
  serve_node(options, stop.fd());
}

/// A node in a process of its own, which a test may kill, suspend or end in order.
class test_node {
public:
  test_node(const std::string& url, const std::string& queue, std::size_t workers = 1) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
      throw std::runtime_error("pipe2");
    const descriptor theirs{ends[0]};
    stop_ = descriptor{ends[1]};
    process_ = std::make_unique<process>(node_main, url, queue, workers, theirs);
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
