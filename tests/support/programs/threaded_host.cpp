// threaded_host: a program whose static constructor has started a thread, so that init cannot fork
// and the forkserver it execs has that thread too. Launches one worker and prints how it ended.

#include "runtime/forkserver/forkserver.hpp"
#include "runtime/forkserver/launch.hpp"

#include <bulkhead/init.hpp>

#include <pthread.h>

#include <cstdio>
#include <future>
#include <thread>
#include <unistd.h>

using namespace bulkhead::runtime;
using namespace std::chrono_literals;

namespace {

struct early_thread {
  early_thread() {
    std::promise<void> named;
    std::thread{[&] {
      pthread_setname_np(pthread_self(), "early");
      named.set_value();
      for (;;)
        ::pause();
    }}.detach();
    named.get_future().wait();
  }
};
const early_thread thread_before_main;

void return_7(worker_start& worker) { worker.exit_code = 7; }

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  launch_request request;
  request.entry = &return_7;
  std::promise<child_exit> ended;
  const auto limit = std::chrono::steady_clock::now() + 20s;
  launch(
    request, [&](const child_exit& how) { ended.set_value(how); }, limit);
  const auto how = ended.get_future().get();
  std::printf("code %d, signal %d, threads %s\n", how.code, how.signal,
              forkserver::common(limit)->threads().c_str());
}
