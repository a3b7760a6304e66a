// hooked_actor_host POINT COUNT: a host of actors that is killed when it passes a point of the
// actors' link for the COUNT-th time. Writes the pids of its descendants to stdout before, as a
// count and numbers.

#include <bulkhead/actor.hpp>
#include <bulkhead/init.hpp>
#include <bulkhead/testing/hooks.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

using namespace std::chrono_literals;

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

[[maybe_unused]] caf::behavior child(caf::event_based_actor* self) {
  return {[self](std::int32_t x) {
    self->quit();
    return x;
  }};
}

[[maybe_unused]] caf::behavior parent(caf::event_based_actor* self) {
  return {
    [](std::int32_t x) { return x; },
    [self](caf::link_atom, const caf::actor& other) {
      self->link_to(other);
      self->unlink_from(other);
      return std::int32_t{0};
    },
    [self](caf::spawn_atom) { return caf::actor{self->spawn(child)}; },
    [](caf::close_atom) -> std::int32_t {
      ::raise(SIGKILL);
      return 0;
    },
  };
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
#if defined(BULKHEAD_HOOKS) && BULKHEAD_HOOKS
  if (argc != 3)
    return 2;
  bulkhead::pool p{{.workers = 1, .actor_workers = 2}};
  const std::vector<caf::actor> parents{p.spawn(parent), p.spawn(parent)};
  const auto all = descendants(::getpid());
  const auto count = static_cast<pid_t>(all.size());
  if (::write(STDOUT_FILENO, &count, sizeof count) != sizeof count
      || ::write(STDOUT_FILENO, all.data(), all.size() * sizeof(pid_t)) < 0)
    return 2;
  const auto here = parents[0]->home_system().spawn(child);
  caf::scoped_actor self{parents[0]->home_system()};
  bulkhead::testing::arm_hook(argv[1], static_cast<std::uint32_t>(std::atoi(argv[2])),
                              bulkhead::testing::hook_action::kill);
  const auto ask = [&](const caf::actor& whom, auto... question) {
    self->request(whom, 20s, question...).receive([](std::int32_t) {}, [](const caf::error&) {});
  };
  for (int round = 0; round < 100; ++round) {
    for (const auto& each : parents) {
      ask(each, std::int32_t{round});
      caf::actor made;
      self->request(each, 20s, caf::spawn_atom_v)
        .receive([&](const caf::actor& a) { made = a; }, [](const caf::error&) {});
      if (made)
        ask(made, std::int32_t{round}); // and it ends: a DOWN
      ask(each, caf::link_atom_v, here);
    }
    if (round % 8 == 7) // so that the points of a death are passed too
      ask(p.spawn(bulkhead::placement::own_process, parent), caf::close_atom_v);
    ::usleep(30'000); // handles are given back half a second after their last use
  }
#endif
  return 0;
}
