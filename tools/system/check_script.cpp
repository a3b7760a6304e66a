#include "tools/config/checks.hpp"
#include "tools/config/json_line.hpp"
#include "tools/system/check_system.hpp"
#include "tools/text/nearest.hpp"
#include "tools/text/shown.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace bulkhead::systems {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr const char* kind_keys[] = {"ask", "send", "publish", "kill", "await", "pause"};

class script_checks {
public:
  script_checks(const complaints& to, const system_plan& plan) : to_(to), plan_(plan) {
    for (const auto& each : plan.actors) {
      actors_.push_back(each.name);
      groups_.insert(each.groups.begin(), each.groups.end());
    }
  }

  void check() {
    for (const auto& each : plan_.script)
      step(each);
    for (const auto& each : plan_.schedule)
      scheduled(each);
    for (const auto& each : plan_.faults)
      fault(each);
  }

private:
  void only_with(const step_plan& s, const char* key, std::initializer_list<step_kind> kinds,
                 const char* expected) const {
    if (to_.written(s.at / key) && std::find(kinds.begin(), kinds.end(), s.kind) == kinds.end())
      to_.add(s.at / key, "which has no effect in this step", expected,
              fmt::format("remove \"{}\"", key));
  }

  void step(const step_plan& s) {
    const auto kinds = std::count_if(std::begin(kind_keys), std::end(kind_keys),
                                     [&](const char* key) { return to_.written(s.at / key); });
    if (kinds != 1) {
      to_.add(s.at, kinds == 0 ? "which does nothing" : "several steps in one",
              "exactly one of \"ask\", \"send\", \"publish\", \"kill\", \"await\" and \"pause\"",
              kinds == 0 ? "write for example \"ask\": \"till\"" : "make a step of each");
      return;
    }
    target(s);
    message(s);
    only_with(s, "expect", {step_kind::ask}, "an answer of \"ask\" only");
    only_with(s, "fails", {step_kind::ask}, "a failure of \"ask\" only");
    only_with(s, "retries", {step_kind::ask}, "attempts of \"ask\" only");
    only_with(s, "within", {step_kind::ask, step_kind::await}, "patience of \"ask\" and \"await\"");
    only_with(s, "incarnation", {step_kind::await}, "an incarnation of \"await\" only");
    if (to_.written(s.at / "expect") && to_.written(s.at / "fails"))
      to_.add(s.at / "fails", "but an answer is expected, too", "\"expect\" or \"fails\"",
              "remove one of the two");
    if (s.retries != 0 && !s.fails.empty())
      to_.add(s.at / "retries", "but the request is to fail", "retries of what is to succeed",
              "remove \"retries\"");
    if (s.within == 0ns)
      to_.add(s.at / "within", "so nothing could ever come in time", "a time above 0",
              "write \"within\": \"10s\"");
  }

  void target(const step_plan& s) const {
    if (s.kind == step_kind::pause)
      return;
    const auto at = s.at / kind_keys[static_cast<int>(s.kind) - 1];
    if (s.kind == step_kind::publish) {
      if (!groups_.contains(s.target))
        to_.add(
          at, "a group without a member", "a group of some actor's \"groups\"",
          hint(s.target, {groups_.begin(), groups_.end()}, "add it to an actor's \"groups\""));
      return;
    }
    const auto* who = plan_.actor(s.target);
    if (who == nullptr)
      to_.add(at, "which is no actor", "the name of an actor",
              hint(s.target, actors_, "add it to \"system.actors\""));
    else if (s.kind == step_kind::kill)
      killable(at, *who);
    else if (s.kind == step_kind::await && plan_.supervisor_of(s.target) == nullptr)
      to_.add(at, "but it has no supervisor that would start it again", "a supervised actor",
              "add it to the children of a supervisor");
  }

  void killable(const pointer& at, const actor_plan& who) const {
    if (who.tasks || who.instances != 0)
      to_.add(at, "which stands for several workers", "an actor with one worker",
              "name another actor");
  }

  static std::string hint(const std::string& word, const std::vector<std::string>& known,
                          const char* otherwise) {
    auto text = config::did_you_mean(word, known);
    return text.empty() ? otherwise : text;
  }

  void message(const step_plan& s) const {
    const bool sends =
      s.kind == step_kind::ask || s.kind == step_kind::send || s.kind == step_kind::publish;
    const bool inside = to_.written(s.at / "message");
    const bool file = to_.written(s.at / "messages");
    if (!sends) {
      only_with(s, "message", {}, "a message of \"ask\", \"send\" and \"publish\"");
      only_with(s, "messages", {}, "messages of \"ask\", \"send\" and \"publish\"");
    } else if (inside == file) {
      to_.add(s.at, inside ? "with two sources of messages" : "without a message",
              "\"message\", or \"messages\": a file",
              inside ? "remove one of the two" : "write \"message\": [...]");
    } else if (file) {
      lines(s);
    }
  }

  void lines(const step_plan& s) const {
    std::error_code error;
    if (!fs::is_regular_file(s.messages, error))
      return to_.add(s.at / "messages", "which is no file", "a file, each line a JSON list",
                     "check the path; it is taken relative to the configuration file");
    std::size_t wrong = 0;
    const bool read = config::visit_json_lines(
      s.messages, config::checked_inputs, plan_.pool.queue_bytes,
      [&](std::uint64_t number, const std::string&, const config::json_line& line) {
        if (wrong == 0 && (!line.value || !line.value->is_array()))
          wrong = number;
      });
    if (!read)
      to_.add(s.at / "messages", "which cannot be read", "a file, each line a JSON list",
              "check its permissions");
    else if (wrong != 0)
      to_.add(s.at / "messages", fmt::format("whose line {} is no list", wrong),
              "in each line a JSON list, the message", "mend the line");
  }

  void scheduled(const schedule_plan& timed) {
    const auto& s = timed.step;
    step(s);
    if (timed.every < 10ms && to_.written(s.at / "every"))
      to_.add(s.at / "every", "too often", "an interval of 10ms or more",
              "write \"every\": \"10ms\"");
  }

  void fault(const fault_plan& f) const {
    constexpr const char* keys[] = {"kill", "hang", "drop", "delay", "corrupt"};
    const auto kinds = std::count_if(std::begin(keys), std::end(keys),
                                     [&](const char* key) { return to_.written(f.at / key); });
    if (kinds != 1) {
      to_.add(f.at, kinds == 0 ? "which is none" : "several faults in one",
              "exactly one of \"kill\", \"hang\", \"drop\", \"delay\" and \"corrupt\"",
              kinds == 0 ? "write for example \"kill\": \"before_reply\"" : "make a fault of each");
      return;
    }
    if (f.kind == fault_kind::channel) {
      for (const auto* key : {"actor", "nth", "again", "probability"})
        if (to_.written(f.at / key))
          to_.add(f.at / key, "which has no effect on a channel", "an option of kill and hang",
                  fmt::format("remove \"{}\"", key));
      return;
    }
    aimed(f);
  }

  void aimed(const fault_plan& f) const {
    const auto* who = f.actor.empty() ? nullptr : plan_.actor(f.actor);
    if (!f.actor.empty() && who == nullptr)
      to_.add(f.at / "actor", "which is no actor", "the name of an actor",
              hint(f.actor, actors_, "add it to \"system.actors\""));
    else if (who != nullptr)
      killable(f.at / "actor", *who);
    if (who != nullptr && !gets_messages(f.actor))
      to_.add(f.at / "actor", "but no step sends it a message", "an actor that is asked or sent to",
              "name another actor, or add a step");
    if (to_.written(f.at / "probability"))
      for (const auto* key : {"nth", "again"})
        if (to_.written(f.at / key))
          to_.add(f.at / key, "but a probability is given, too", "\"nth\" or \"probability\"",
                  "remove one of the two");
    if (f.kind == fault_kind::hang && f.hang == 0ns)
      to_.add(f.at / "hang", "which is no time at all", "a time above 0", "write \"hang\": \"2s\"");
  }

  bool gets_messages(const std::string& actor) const {
    const auto to_it = [&](const step_plan& s) {
      return s.target == actor && (s.kind == step_kind::ask || s.kind == step_kind::send);
    };
    return std::any_of(plan_.script.begin(), plan_.script.end(), to_it)
           || std::any_of(plan_.schedule.begin(), plan_.schedule.end(),
                          [&](const schedule_plan& timed) { return to_it(timed.step); });
  }

  const complaints& to_;
  const system_plan& plan_;
  std::vector<std::string> actors_;
  std::set<std::string> groups_;
};

} // namespace

void check_script(const complaints& to, const system_plan& plan) {
  script_checks{to, plan}.check();
}

} // namespace bulkhead::systems
