#pragma once

#include "runtime/sandbox/sandbox_plan.hpp"

#include <bulkhead/options.hpp>

#include <sched.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace bulkhead::runtime {

/// What a worker's clean start is asked for. Travels as bytes.
struct worker_setup {
  static constexpr std::uint64_t inherited = ~std::uint64_t{0};

  std::uint64_t address_space = inherited; ///< bytes, RLIMIT_AS
  std::uint64_t cpu_seconds = inherited;   ///< RLIMIT_CPU
  std::uint64_t open_files = inherited;    ///< RLIMIT_NOFILE
  std::uint64_t core_size = 0;             ///< bytes, soft RLIMIT_CORE
  std::uint64_t file_size = inherited;     ///< bytes, RLIMIT_FSIZE
  std::uint64_t stack_size = inherited;    ///< bytes, RLIMIT_STACK
  std::uint64_t processes = inherited;     ///< RLIMIT_NPROC
  std::int32_t nice = 0;                   ///< added to the niceness
  std::int32_t oom_score = 400;            ///< added to oom_score_adj
  cpu_set_t affinity = {};                 ///< no CPU: inherited
  std::uint32_t library_threads = 0;       ///< see limit_library_threads; 0: as they choose
  bool no_new_privileges = true;
  std::uint32_t sandbox_asked = 0;   ///< bits of sandbox::feature: what its plan asks for
  bool sandbox_audited = false;      ///< its sandbox is not closed, only looked at
  bool dies_with_forkserver = false; ///< PR_SET_PDEATHSIG; off: it outlives a killed forkserver

  bool wants_affinity() const noexcept { return CPU_COUNT(&affinity) != 0; }

  /// Throws config_error, naming the value, for a CPU or niceness that cannot exist.
  static worker_setup from(const resource_limits& limits, const std::vector<int>& affinity,
                           int nice);
};
static_assert(std::is_trivially_copyable_v<worker_setup>);

/// Steps of the clean start whose outcome the isolation report shows.
enum class setup_step : std::uint8_t {
  signals,
  process_group,
  stdin_null,
  descriptors,
  core_size,
  limits,
  oom_score,
  nice,
  affinity,
  no_new_privileges,
  descendants,
  parent_death,
  sandbox, ///< the first of sandbox::features
  count_ = sandbox + sandbox::features,
};
inline constexpr auto setup_steps = static_cast<std::size_t>(setup_step::count_);

/// What came of each step. Travels as bytes.
struct setup_report {
  enum state : std::uint8_t { not_requested, active, refused };

  std::array<std::uint8_t, setup_steps> states{};
  std::array<std::int32_t, setup_steps> errors{}; ///< errno of what was refused

  void note(setup_step step, int error, std::size_t further = 0) noexcept {
    const auto at = static_cast<std::size_t>(step) + further;
    states[at] = error == 0 ? active : refused;
    errors[at] = error;
  }
};
static_assert(std::is_trivially_copyable_v<setup_report>);

/// Why a worker could not start: the step's call and errno; call is null when all went well.
struct setup_failure {
  const char* call = nullptr;
  int error = 0;
  std::uint64_t value = 0; ///< what was asked for
};

/// Resets signals to their defaults and unblocks them; SIGINT stays ignored (the host decides), as
/// do SIGTTOU and SIGTTIN (no terminal may stop a worker).
/// SIGPIPE gets its default too: what a task starts by exec must not inherit an ignored one.
void reset_signals() noexcept;

/// The part of the clean start that needs no descriptors: process group, limits, scheduling,
/// privileges. In the worker, single-threaded. Limits and affinity must succeed (they were asked
/// for); the rest is noted in the report.
setup_failure apply(const worker_setup& setup, setup_report& report) noexcept;

} // namespace bulkhead::runtime
