#include "engine/node/node_request.hpp"
#include "runtime/system/masked_thread.hpp"
#include "runtime/system/unique_fd.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/rabbitmq.hpp>

#include <sys/signalfd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

// A node as a program: signals become a byte in a pipe, so that the node's loop waits for them as
// for everything else, and the first of them drains it.
namespace bulkhead {

namespace {

using runtime::unique_fd;

[[noreturn]] void throw_errno(const char* call) {
  throw std::system_error(errno, std::generic_category(), call);
}

/// SIGTERM and SIGINT as bytes of a pipe, until it ends.
class stop_signals {
public:
  stop_signals() {
    sigset_t wanted;
    ::sigemptyset(&wanted);
    ::sigaddset(&wanted, SIGTERM);
    ::sigaddset(&wanted, SIGINT);
    if (::pthread_sigmask(SIG_BLOCK, &wanted, nullptr) != 0)
      throw_errno("pthread_sigmask");
    signals_ = unique_fd{::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK)};
    std::array<int, 2> stop{};
    std::array<int, 2> end{};
    if (!signals_ || ::pipe2(stop.data(), O_CLOEXEC) != 0)
      throw_errno("signalfd");
    stop_read_ = unique_fd{stop[0]};
    stop_write_ = unique_fd{stop[1]};
    if (::pipe2(end.data(), O_CLOEXEC) != 0)
      throw_errno("pipe2");
    end_read_ = unique_fd{end[0]};
    end_write_ = unique_fd{end[1]};
    thread_ = runtime::masked_thread("signals", [this] { run(); });
  }
  stop_signals(const stop_signals&) = delete;
  stop_signals& operator=(const stop_signals&) = delete;
  ~stop_signals() {
    end_write_.reset();
    thread_.join();
  }

  int fd() const noexcept { return stop_read_.get(); }

private:
  void run() const {
    pollfd watched[] = {{signals_.get(), POLLIN, 0}, {end_read_.get(), POLLIN, 0}};
    while (true) {
      ::poll(watched, 2, -1);
      if (watched[1].revents != 0)
        return;
      signalfd_siginfo which{};
      const char one = 1;
      if (::read(signals_.get(), &which, sizeof which) == sizeof which
          && ::write(stop_write_.get(), &one, 1) < 0)
        return;
    }
  }

  unique_fd signals_;
  unique_fd stop_read_;
  unique_fd stop_write_;
  unique_fd end_read_;
  unique_fd end_write_;
  std::thread thread_;
};

void print(const std::string& text) { std::fprintf(stderr, "bulkhead node: %s\n", text.c_str()); }

} // namespace

int run_node(const node_options& options) {
  try {
    auto told = options;
    if (!told.on_message)
      told.on_message = print;
    const stop_signals stop;
    serve_node(told, stop.fd());
    return 0;
  } catch (const config_error& e) {
    print(e.info().message);
    return 2;
  } catch (const std::exception& e) {
    print(e.what());
    return 1;
  }
}

} // namespace bulkhead

/// What `bulkhead node --program` makes of a program; called by its init.
extern "C" [[gnu::visibility("default")]] int bulkhead_node_main(const char* request) {
  const auto options = bulkhead::engine::read_node_request(request);
  if (options)
    return bulkhead::run_node(*options);
  std::fputs("bulkhead node: BULKHEAD_NODE is set by \"bulkhead node --program\" alone\n", stderr);
  return 2;
}
