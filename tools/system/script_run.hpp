#pragma once

#include "tools/system/asker.hpp"
#include "tools/system/fault_draw.hpp"
#include "tools/system/message_json.hpp"
#include "tools/system/running_system.hpp"
#include "tools/system/system_report.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace bulkhead::systems {

/// Drives a system as its file says: the script in the thread that calls run(), what is scheduled
/// in one of its own. Notes what does not come as expected.
class script_run {
public:
  using clock = std::chrono::steady_clock;

  /// Both are borrowed. Scheduled messages begin now.
  script_run(const system_plan& plan, running_system& system);
  ~script_run();
  script_run(const script_run&) = delete;
  script_run& operator=(const script_run&) = delete;

  /// Returns at the end of the script, or soon after interrupt(). False then.
  bool run();
  /// From any thread: no further step, and nobody waits for an answer.
  void interrupt();
  /// No more scheduled messages; returns when the one in hand is done.
  void end_schedule();

  /// Fills in what it has counted.
  void count_into(system_report& r);

private:
  void do_step(const step_plan& s);
  void do_once(const step_plan& s, const json& message);
  void ask(const step_plan& s, const json& message);
  void send(const step_plan& s, const json& message);
  void publish(const step_plan& s, const json& message);
  void kill(const step_plan& s);
  void await(const step_plan& s);
  /// Why the answer is not what is due; empty: it is.
  std::string attempt(const step_plan& s, const json& message);
  std::optional<caf::message> request(const step_plan& s, const caf::actor& whom,
                                      caf::message what);
  std::string judge(const step_plan& s, const std::optional<caf::message>& answer);
  /// What comes before the message. True: the worker stands still.
  bool begin_strike(const fault_draw::strike& what, const caf::actor& whom);
  void strike_dead(const caf::actor& whom);
  void note_failure(const step_plan& s, std::string what);
  void keep_schedule();
  bool interrupted();
  /// False where interrupt() ended it.
  bool pause(std::chrono::nanoseconds time);

  const system_plan& plan_;
  running_system& system_;
  asker asker_;
  fault_draw faults_;
  const actor_lookup find_;
  std::mutex mutex_; ///< guards what follows
  std::condition_variable changed_;
  system_report counts_;
  bool interrupted_ = false;
  bool schedule_ends_ = false;
  std::thread schedule_;
};

} // namespace bulkhead::systems
