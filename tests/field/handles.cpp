// Handles of actors, their ends, what observes them.
#include "tests/field/actor_helpers.hpp"

#include <sys/resource.h>

using namespace bulkhead;
using namespace bulkhead::field;

namespace {

struct unregistered {
  int x = 0;
};
template <class Inspector>
auto inspect(Inspector& f, unregistered& u) {
  return f(u.x);
}

caf::behavior answers_badly(caf::event_based_actor*) {
  return {
    [](int x) { return unregistered{x}; },
    [](caf::get_atom) { return std::string(std::size_t{300} << 20, 'x'); },
    [](caf::ok_atom) { return own_pid(); },
  };
}

caf::behavior takes_text(caf::event_based_actor*, const std::string& s) {
  const auto n = static_cast<int>(s.size());
  return {[n](caf::ok_atom) { return n; }};
}

/// Removes its file when it ends.
struct flag {
  ~flag() { ::unlink(path.c_str()); }
  std::string path;
};
caf::behavior flagged(caf::stateful_actor<flag>* self, const std::string& path) {
  self->state.path = path;
  std::ofstream{path} << 1;
  return {[](int x) { return x; }};
}

bool gone(const std::string& path) {
  return eventually([&] { return ::access(path.c_str(), F_OK) != 0; });
}

bool ended(const std::string& pid) {
  return eventually([&] {
    const char state = state_of(std::stoi(pid));
    return state == '\0' || state == 'Z';
  });
}

/// Counts what is attached to it.
struct counting : caf::event_based_actor {
  explicit counting(caf::actor_config& c) : caf::event_based_actor(c) {}
  caf::behavior make_behavior() override {
    return {[this](caf::get_atom) {
      int n = 0;
      for (auto* p = attachables_head_.get(); p != nullptr; p = p->next.get())
        ++n;
      return n;
    }};
  }
};

} // namespace

FIELD_PROGRAM(a_handle_of_an_ended_actor_costs_no_worker, "1, lives, 0 bad messages", "") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 1}};
  caf::scoped_actor self{*host.system};
  const auto k = p.spawn(keeper);
  const auto pid = answer<int>(self, k, caf::ok_atom::value);
  const auto a = host.system->spawn(twice);
  end(self, a);
  const auto got = answer<int>(self, k, caf::tick_atom::value, a);
  const bool same = answer<int>(self, k, caf::ok_atom::value) == pid;
  return got + (same ? ", lives, " : ", is gone, ")
         + counted(p.stats().bad_messages, "bad messages");
}

FIELD_PROGRAM(a_handle_of_an_ended_actor_comes_home_as_itself, "same, same, same", "") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 2}};
  caf::scoped_actor self{*host.system};
  const auto k = p.spawn(keeper);
  const auto other = p.spawn(keeper);
  const auto a = host.system->spawn(twice);
  const auto through = [&](const caf::actor& by, const caf::actor& what) {
    answer<int>(self, by, caf::add_atom::value, what);
    caf::actor back;
    self->request(by, 60s, caf::get_atom::value)
      .receive([&](const caf::actor& x) { back = x; }, [](const caf::error&) {});
    return std::string(back == what ? "same" : back ? "another" : "null");
  };
  answer<int>(self, k, caf::add_atom::value, a);
  end(self, a);
  const auto of_host = through(k, a);
  caf::actor child;
  self->request(k, 60s, caf::spawn_atom::value)
    .receive([&](const caf::actor& x) { child = x; }, [](const caf::error&) {});
  end(self, child);
  return of_host + ", " + through(k, child) + ", " + through(other, child);
}

FIELD_PROGRAM(every_request_has_an_answer_and_the_responder_lives, "error, error, lives", "") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 1}};
  caf::scoped_actor self{*host.system};
  const auto a = p.spawn(answers_badly);
  const auto pid = answer<int>(self, a, caf::ok_atom::value);
  const auto strange = answer<std::string>(self, a, 1);
  const auto large = answer<std::string>(self, a, caf::get_atom::value);
  const bool lives = answer<int>(self, a, caf::ok_atom::value) == pid;
  return strange + ", " + large + (lives ? ", lives" : ", is gone");
}

FIELD_PROGRAM(an_argument_of_a_spawn_that_is_too_large_is_refused, "refused, the neighbour lives",
              "") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 1}};
  caf::scoped_actor self{*host.system};
  const auto k = p.spawn(keeper);
  const auto pid = answer<int>(self, k, caf::ok_atom::value);
  std::string how = "taken";
  try {
    p.spawn(takes_text, std::string(std::size_t{300} << 20, 'x'));
  } catch (const error&) {
    how = "refused";
  }
  const bool lives = answer<int>(self, k, caf::ok_atom::value) == pid;
  return how + (lives ? ", the neighbour lives" : ", the neighbour is gone");
}

FIELD_PROGRAM(a_process_of_its_own_ends_with_its_last_handle, "ended", "") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 1}};
  std::string pid;
  {
    caf::scoped_actor self{*host.system};
    pid = answer<int>(self, p.spawn(placement::own_process, keeper), caf::ok_atom::value);
  }
  return ended(pid) ? "ended" : "lives on";
}

FIELD_PROGRAM(monitors_and_links_keep_no_actor, "gone, gone, gone", "") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 2}};
  caf::scoped_actor self{*host.system};
  const temporary_folder folder;
  int number = 0;
  const auto after = [&](auto observe) {
    const auto path = (folder.path() / std::to_string(++number)).string();
    {
      const auto a = p.spawn(flagged, path);
      observe(a);
    }
    return std::string(gone(path) ? "gone" : "lives");
  };
  const auto k = p.spawn(keeper);
  const auto dropped = after([&](const caf::actor& a) { answer<int>(self, a, 1); });
  const auto watched = after([&](const caf::actor& a) {
    answer<int>(self, a, 1);
    self->monitor(a);
  });
  const auto afar =
    after([&](const caf::actor& a) { answer<int>(self, k, caf::monitor_atom::value, a); });
  return dropped + ", " + watched + ", " + afar;
}

FIELD_PROGRAM(composed_actors_mean_the_same_whoever_is_where, "22, 22, 22, 22", "") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 1}};
  caf::scoped_actor self{*host.system};
  std::string seen;
  const auto both = [&](const caf::actor& f, const caf::actor& g) {
    seen += (seen.empty() ? "" : ", ") + answer<int>(self, f * g, 10);
  };
  both(host.system->spawn(twice), host.system->spawn(next));
  both(p.spawn(twice), p.spawn(next));
  both(host.system->spawn(twice), p.spawn(next));
  both(p.spawn(twice), host.system->spawn(next));
  return seen;
}

FIELD_PROGRAM(a_handle_in_an_exit_reason_crosses_like_any_other, "lives, 0 bad messages", "") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 1}};
  caf::scoped_actor self{*host.system};
  const auto w = p.spawn(keeper);
  const auto pid = answer<int>(self, w, caf::ok_atom::value);
  const auto named = host.system->spawn(twice);
  const auto a = host.system->spawn([named](caf::event_based_actor* s) -> caf::behavior {
    return {[=](caf::get_atom) { s->quit(caf::make_error(caf::sec::runtime_error, named)); }};
  });
  answer<int>(self, w, caf::monitor_atom::value, a);
  self->monitor(a);
  self->send(a, caf::get_atom::value);
  self->receive([](const caf::down_msg&) {});
  const bool lives = answer<int>(self, w, caf::ok_atom::value) == pid;
  self->send_exit(named, caf::exit_reason::kill);
  return (lives ? "lives, " : "is gone, ") + counted(p.stats().bad_messages, "bad messages");
}

FIELD_PROGRAM(handles_of_short_lived_actors_cost_no_worker, "500 answers, 0 bad messages", "") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 1}};
  caf::scoped_actor self{*host.system};
  const auto k = p.spawn(keeper);
  int answers = 0;
  for (int i = 0; i < 500; ++i) {
    const auto child = host.system->spawn([](caf::event_based_actor* c) -> caf::behavior {
      c->send(c, caf::ok_atom::value);
      return {[c](caf::ok_atom) { c->quit(); }};
    });
    answers += answer<int>(self, k, caf::tick_atom::value, child) == "1";
  }
  return counted(answers, "answers, ") + counted(p.stats().bad_messages, "bad messages");
}

FIELD_PROGRAM(handles_that_come_and_go_all_the_time_cost_no_worker, "20000, 0 bad messages", "") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 1}};
  caf::scoped_actor self{*host.system};
  const auto k = p.spawn(keeper);
  std::vector<caf::actor> many;
  many.reserve(2000);
  for (int i = 0; i < 2000; ++i)
    many.push_back(host.system->spawn(twice));
  int answers = 0;
  for (int round = 0; round < 10; ++round) {
    for (const auto& a : many)
      self->send(k, caf::tick_atom::value, a);
    for (std::size_t i = 0; i < many.size(); ++i)
      self->receive([&](int) { ++answers; }, [](const caf::error&) {});
  }
  return std::to_string(answers) + ", " + counted(p.stats().bad_messages, "bad messages");
}

FIELD_PROGRAM(a_handle_that_travels_attaches_nothing_to_its_actor, "no more than 4", "") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 1}};
  caf::scoped_actor self{*host.system};
  const auto k = p.spawn(keeper);
  const auto a = host.system->spawn<counting>();
  for (int i = 0; i < 200; ++i)
    answer<int>(self, k, caf::tick_atom::value, a);
  const auto attached = answer<int>(self, a, caf::get_atom::value);
  return std::stoi(attached) <= 4 ? "no more than 4" : attached;
}

FIELD_PROGRAM(a_pid_that_comes_again_is_another_process, "1, 0 bad messages", "root") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 2}};
  caf::scoped_actor self{*host.system};
  const auto k = p.spawn(keeper);
  const auto x = p.spawn(keeper);
  answer<int>(self, k, caf::tick_atom::value, x);
  const auto pid = std::stoi(answer<int>(self, x, caf::ok_atom::value));
  self->monitor(x);
  ::kill(pid, SIGKILL);
  self->receive([](const caf::down_msg&) {});
  std::ofstream("/proc/sys/kernel/ns_last_pid") << pid - 1 << std::flush; // refused: any pid serves
  const auto y = p.spawn(keeper);
  return answer<int>(self, k, caf::tick_atom::value, y) + ", "
         + counted(p.stats().bad_messages, "bad messages");
}

FIELD_PROGRAM(requests_that_timed_out_leave_nothing_behind, "flat", "open long") {
  const actor_host host;
  pool p{*host.system, {.workers = 1, .actor_workers = 1}};
  const auto silent = p.spawn([](caf::event_based_actor* s) -> caf::behavior {
    return {[s](int) { return s->make_response_promise(); }};
  });
  caf::scoped_actor self{*host.system};
  const auto expire = [&](int requests) {
    for (int i = 0; i < requests; ++i)
      self->request(silent, 1ms, 1).receive([](int) {}, [](const caf::error&) {});
  };
  expire(1000);
  const auto before = own_rss_bytes();
  expire(50'000);
  leave(growth(before, std::size_t{2} << 20));
}
