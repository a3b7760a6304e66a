// Three stages in three processes; the slow last stage sets the pace of the first.
#include <bulkhead/actor.hpp>
#include <bulkhead/init.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/stateful_actor.hpp>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

namespace {

// Stage 3: counts words; answers how many it has now.
struct count_state {
  std::uint64_t words = 0;
};
caf::behavior counter(caf::stateful_actor<count_state>* self) {
  return {
    [self](const std::string& text) {
      bool inside = false;
      for (unsigned char c : text) {
        self->state.words += !inside && std::isalpha(c);
        inside = std::isalpha(c) != 0;
      }
      return self->state.words;
    },
  };
}

// Stage 2: makes lower case and hands on; the answer comes from the next stage.
caf::behavior lower(caf::event_based_actor* self, const caf::actor& next) {
  return {[self, next](std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return self->delegate(next, std::move(text));
  }};
}

// Stage 1: makes the texts, at most `window` of them unanswered: back-pressure end to end.
struct source_state {
  int made = 0;
  int answered = 0;
  int most_open = 0;
  std::uint64_t words = 0;
};
caf::behavior source(caf::stateful_actor<source_state>* self, const caf::actor& next, int texts,
                     int window) {
  return {[=](caf::get_atom) {
    auto done = self->make_response_promise<std::uint64_t, int>();
    auto feed = std::make_shared<std::function<void()>>();
    *feed = [=]() mutable {
      auto& s = self->state;
      while (s.made < texts && s.made - s.answered < window) {
        ++s.made;
        s.most_open = std::max(s.most_open, s.made - s.answered);
        self->request(next, 30s, std::string{"The Quick brown FOX jumps over the lazy dog. "})
          .then([=](std::uint64_t words) mutable {
            auto& now = self->state;
            ++now.answered;
            now.words = std::max(now.words, words);
            if (now.answered == texts)
              done.deliver(now.words, now.most_open);
            else
              (*feed)();
          });
      }
    };
    (*feed)();
    return done;
  }};
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);

  caf::actor_system_config config;
  bulkhead::configure(config);
  caf::actor_system system{config};
  bulkhead::pool pool{system, {.workers = 1, .actor_workers = 3}};

  auto third = pool.spawn(counter);
  auto second = pool.spawn(lower, third);
  auto first = pool.spawn(source, second, 2000, 16);

  caf::scoped_actor self{system};
  self->request(first, 60s, caf::get_atom_v)
    .receive(
      [](std::uint64_t words, int most_open) {
        std::cout << "2000 texts through three processes: " << words << " words\n"
                  << "never more than " << most_open << " texts under way\n";
      },
      [&](const caf::error& e) { std::cout << system.render(e) << '\n'; });
}
