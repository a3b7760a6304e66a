// hooked_host POINT COUNT: a host that is killed when it passes a point of the protocol for the
// COUNT-th time. Writes the pids of its descendants to stdout before, as a count and numbers.

#include <bulkhead/tasks.hpp>
#include <bulkhead/testing/hooks.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

[[maybe_unused]] std::vector<pid_t> descendants(pid_t of) {
  std::vector<pid_t> all;
  const auto base = "/proc/" + std::to_string(of) + "/task/" + std::to_string(of) + "/children";
  std::ifstream file{base};
  for (pid_t pid = 0; file >> pid;) {
    all.push_back(pid);
    for (const auto deeper : descendants(pid))
      all.push_back(deeper);
  }
  return all;
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
#if defined(BULKHEAD_HOOKS) && BULKHEAD_HOOKS
  if (argc != 3)
    return 2;
  bulkhead::pool p{{.workers = 2}};
  p.broadcast([] {});
  const auto all = descendants(::getpid());
  const auto count = static_cast<pid_t>(all.size());
  if (::write(STDOUT_FILENO, &count, sizeof count) != sizeof count
      || ::write(STDOUT_FILENO, all.data(), all.size() * sizeof(pid_t)) < 0)
    return 2;
  bulkhead::testing::arm_hook(argv[1], static_cast<std::uint32_t>(std::atoi(argv[2])),
                              bulkhead::testing::hook_action::kill);
  for (int round = 0; round < 100; ++round) {
    std::vector<bulkhead::future<int>> some;
    for (int i = 0; i < 20; ++i)
      some.push_back(p.submit([](int x) { return x; }, i));
    if (round % 4 == 3) // so that the points of a death are passed too
      p.submit([] { ::raise(SIGKILL); }).wait();
    for (std::size_t i = 5; i < some.size(); i += 5)
      some[i].cancel();
    for (const auto& f : some)
      f.wait();
  }
#endif
  return 0;
}
