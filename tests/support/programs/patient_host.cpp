// patient_host: a host that its test suspends. Runs long and short tasks on a pool whose patience
// with workers is short; says "1" on stdout when they run; on stdin, "2" asks for the end. Exit
// status: how many workers it lost.

#include <bulkhead/tasks.hpp>

#include <chrono>
#include <unistd.h>
#include <vector>

namespace {

void work_for(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  bulkhead::pool p{{.workers = 2, .unresponsive_after = std::chrono::milliseconds{300}}};
  p.broadcast([] {});
  std::vector<bulkhead::future<void>> all;
  for (int i = 0; i < 20; ++i)
    all.push_back(p.with({.timeout = std::chrono::seconds{2}})
                    .submit(work_for, std::chrono::milliseconds{100}));
  if (::write(STDOUT_FILENO, "1", 1) != 1)
    return 99;
  for (const auto& f : all)
    f.wait();
  char end = 0;
  if (::read(STDIN_FILENO, &end, 1) != 1)
    return 98;
  const auto s = p.stats();
  return static_cast<int>(s.restarts + s.failed);
}
