// guest_host: uses workers and processes between two marks (access calls on names that do not
// exist), for a test that reads its system calls. Ends with 0 when all went as expected.

#include "runtime/forkserver/forkserver.hpp"
#include "runtime/forkserver/launch.hpp"
#include "runtime/process/watch_thread.hpp"

#include <bulkhead/init.hpp>
#include <bulkhead/process.hpp>

#include <csignal>
#include <future>
#include <unistd.h>

using namespace bulkhead::runtime;
using namespace std::chrono_literals;

namespace {

void serve(worker_start& worker) {
  start_watch_thread(worker.control.get(), worker.host.get(), nullptr, {});
  for (;;)
    ::pause();
}

int end_of_killed_worker(bulkhead::start_method method) {
  launch_request request;
  request.method = method;
  request.entry = &serve;
  std::promise<child_exit> ended;
  const auto worker = launch(
    request, [&](const child_exit& how) { ended.set_value(how); },
    std::chrono::steady_clock::now() + 20s);
  worker->kill(SIGKILL);
  return ended.get_future().get().signal;
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  ::access("/bulkhead-begin", F_OK);
  bool good = end_of_killed_worker(bulkhead::start_method::forkserver) == SIGKILL;
  good = end_of_killed_worker(bulkhead::start_method::spawn) == SIGKILL && good;
  bulkhead::process child{[] {}};
  child.start();
  child.join();
  good = child.exit_code() == 0 && good;
  ::access("/bulkhead-end", F_OK);
  return good ? 0 : 1;
}
