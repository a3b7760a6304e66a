#include "tools/system/script_run.hpp"

#include "actors/caf/verbs.hpp"
#include "tools/config/json_line.hpp"
#include "tools/system/worker_faults.hpp"
#include "tools/text/shown.hpp"

#include <bulkhead/actor_error.hpp>
#include <bulkhead/error.hpp>

#include <caf/error.hpp>

#include <algorithm>
#include <limits>

#include <fmt/format.h>

namespace bulkhead::systems {

using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds first_retry_pause{10};
constexpr std::chrono::milliseconds longest_retry_pause{500};

/// The kind of a failure in the words of the file.
std::string kind_word(const caf::error& e) {
  const auto failed = failure_of(e);
  return failed ? std::string(to_string(failed->kind)) : "error";
}

} // namespace

script_run::script_run(const system_plan& plan, running_system& system)
  : plan_(plan), system_(system), asker_(system.system()), faults_(plan),
    find_([&system](const std::string& name) { return system.actor(name); }) {
  if (!plan_.schedule.empty())
    schedule_ = std::thread([this] { keep_schedule(); });
}

script_run::~script_run() {
  interrupt();
  end_schedule();
}

bool script_run::run() {
  for (const auto& each : plan_.script) {
    for (std::size_t i = 0; i < each.repeat && !interrupted(); ++i)
      do_step(each);
    if (interrupted())
      return false;
  }
  return true;
}

void script_run::interrupt() {
  {
    const std::lock_guard lock{mutex_};
    interrupted_ = true;
    changed_.notify_all();
  }
  asker_.give_up();
  system_.wake();
}

void script_run::end_schedule() {
  {
    const std::lock_guard lock{mutex_};
    schedule_ends_ = true;
    changed_.notify_all();
  }
  if (schedule_.joinable())
    schedule_.join();
}

void script_run::count_into(system_report& r) {
  const std::lock_guard lock{mutex_};
  r.asked = counts_.asked;
  r.answered = counts_.answered;
  r.retried = counts_.retried;
  r.sent = counts_.sent;
  r.published = counts_.published;
  r.other = counts_.other;
  r.failed = counts_.failed;
  r.kills = counts_.kills;
  r.hangs = counts_.hangs;
  r.failures = counts_.failures;
}

void script_run::do_step(const step_plan& s) {
  try {
    if (s.messages.empty())
      return do_once(s, s.message);
    const auto read = config::visit_json_lines(
      s.messages, std::numeric_limits<std::size_t>::max(), plan_.pool.queue_bytes,
      [&](std::uint64_t number, const std::string&, const config::json_line& line) {
        if (interrupted())
          return;
        if (line.value && line.value->is_array())
          do_once(s, *line.value);
        else
          note_failure(s, fmt::format("line {} of {} is no list", number, s.messages.string()));
      });
    if (!read)
      note_failure(s, fmt::format("{} cannot be read", s.messages.string()));
  } catch (const error& e) {
    note_failure(s, e.what());
  }
}

void script_run::do_once(const step_plan& s, const json& message) {
  switch (s.kind) {
  case step_kind::ask:
    return ask(s, message);
  case step_kind::send:
    return send(s, message);
  case step_kind::publish:
    return publish(s, message);
  case step_kind::kill:
    return kill(s);
  case step_kind::await:
    return await(s);
  default:
    pause(s.pause);
    const std::lock_guard lock{mutex_};
    ++counts_.other;
  }
}

void script_run::ask(const step_plan& s, const json& message) {
  {
    const std::lock_guard lock{mutex_};
    ++counts_.asked;
  }
  std::string why = attempt(s, message);
  auto wait = first_retry_pause;
  for (std::size_t i = 0; i < s.retries && !why.empty() && pause(wait); ++i) {
    wait = std::min(2 * wait, longest_retry_pause);
    {
      const std::lock_guard lock{mutex_};
      ++counts_.retried;
    }
    why = attempt(s, message);
  }
  if (interrupted())
    return; // nobody waited for the answer
  if (!why.empty())
    return note_failure(s, fmt::format("ask {} {}: {}", s.target, config::shown(message), why));
  const std::lock_guard lock{mutex_};
  ++counts_.answered;
}

std::string script_run::attempt(const step_plan& s, const json& message) {
  const auto whom = system_.actor(s.target);
  if (!whom)
    return "nobody has this name now";
  const auto values = message.get<std::vector<json>>();
  return judge(s, request(s, whom, message_for(plan_.actor(s.target), values, find_)));
}

// A worker that stands still cannot answer: what is sent to it then dies with it, or waits.
std::optional<caf::message> script_run::request(const step_plan& s, const caf::actor& whom,
                                                caf::message what) {
  const auto strike = faults_.next(s.target);
  const bool stands = begin_strike(strike, whom);
  const auto until = clock::now() + s.within;
  const auto number = asker_.begin(whom, std::move(what));
  if (strike.kill_unanswered) {
    strike_dead(whom);
  } else if (stands) {
    asker_.wait(number, clock::now() + strike.hang);
    let_go_on(whom);
    const std::lock_guard lock{mutex_};
    ++counts_.hangs;
  }
  auto answer = asker_.wait(number, until);
  asker_.forget(number);
  if (strike.kill_after)
    strike_dead(whom);
  return answer;
}

std::string script_run::judge(const step_plan& s, const std::optional<caf::message>& answer) {
  if (!answer)
    return fmt::format("no answer within {} ms", s.within / 1ms);
  if (answer->match_elements<caf::error>()) {
    const auto& e = answer->get_as<caf::error>(0);
    const auto word = kind_word(e);
    if (s.fails == word || s.fails == "any")
      return {};
    return fmt::format("{}: {}", word, actors::render(system_.system(), e));
  }
  const auto given = to_json(*answer);
  if (!s.fails.empty())
    return fmt::format("answered {} in place of a failure", config::shown(given));
  if (!s.expect.is_null() && !is_as_expected(s.expect, given))
    return fmt::format("answered {}, expected {}", config::shown(given), config::shown(s.expect));
  return {};
}

void script_run::send(const step_plan& s, const json& message) {
  const auto whom = system_.actor(s.target);
  if (!whom)
    return note_failure(s, fmt::format("send {}: nobody has this name now", s.target));
  auto what = message_for(plan_.actor(s.target), message.get<std::vector<json>>(), find_);
  const auto strike = faults_.next(s.target);
  const bool stands = begin_strike(strike, whom);
  asker_.tell(whom, std::move(what));
  if (strike.kill_unanswered || strike.kill_after) {
    strike_dead(whom);
  } else if (stands) {
    pause(strike.hang);
    let_go_on(whom);
  }
  const std::lock_guard lock{mutex_};
  ++counts_.sent;
  counts_.hangs += strike.hang > 0ns && !strike.kill_unanswered ? 1 : 0;
}

void script_run::publish(const step_plan& s, const json& message) {
  const auto reached =
    system_.publish(s.target, message_for(nullptr, message.get<std::vector<json>>(), find_));
  const std::lock_guard lock{mutex_};
  counts_.published += reached;
}

void script_run::kill(const step_plan& s) {
  const auto whom = system_.actor(s.target);
  if (!whom)
    return note_failure(s, fmt::format("kill {}: nobody has this name now", s.target));
  strike_dead(whom);
  const std::lock_guard lock{mutex_};
  ++counts_.other;
}

void script_run::await(const step_plan& s) {
  const bool runs = system_.wait_for(s.target, s.incarnation, clock::now() + s.within);
  if (!runs && !interrupted())
    return note_failure(s, fmt::format("await {}: incarnation {} does not run after {} ms",
                                       s.target, s.incarnation, s.within / 1ms));
  const std::lock_guard lock{mutex_};
  ++counts_.other;
}

bool script_run::begin_strike(const fault_draw::strike& what, const caf::actor& whom) {
  if (what.kill_before)
    strike_dead(whom);
  const bool stands = what.kill_unanswered || what.hang > 0ns;
  if (stands)
    stop_worker_of(whom);
  return stands;
}

void script_run::strike_dead(const caf::actor& whom) {
  if (!kill_worker_of(whom))
    return;
  const std::lock_guard lock{mutex_};
  ++counts_.kills;
}

void script_run::note_failure(const step_plan& s, std::string what) {
  system_.tell("failed: " + what);
  const std::lock_guard lock{mutex_};
  ++counts_.failed;
  if (counts_.failures.size() < listed_failures)
    counts_.failures.push_back({s.where, std::move(what)});
}

// One thread for all of them: a request that waits holds the others up, as one clock would.
void script_run::keep_schedule() {
  struct timed {
    const schedule_plan* plan;
    clock::time_point at;
    std::size_t done = 0;
  };
  std::vector<timed> all;
  all.reserve(plan_.schedule.size());
  for (const auto& each : plan_.schedule)
    all.push_back({&each, clock::now() + each.every});
  while (!all.empty()) {
    const auto next = std::min_element(all.begin(), all.end(),
                                       [](const timed& a, const timed& b) { return a.at < b.at; });
    {
      std::unique_lock lock{mutex_};
      if (changed_.wait_until(lock, next->at, [&] { return interrupted_ || schedule_ends_; }))
        return;
    }
    do_step(next->plan->step);
    next->at = std::max(next->at + next->plan->every, clock::now());
    if (++next->done == next->plan->times)
      all.erase(next);
  }
}

bool script_run::interrupted() {
  const std::lock_guard lock{mutex_};
  return interrupted_;
}

bool script_run::pause(std::chrono::nanoseconds time) {
  std::unique_lock lock{mutex_};
  return !changed_.wait_for(lock, time, [&] { return interrupted_; });
}

} // namespace bulkhead::systems
