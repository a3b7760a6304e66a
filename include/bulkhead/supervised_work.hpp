#pragma once

#include <bulkhead/options.hpp>
#include <bulkhead/process.hpp>
#include <bulkhead/supervisor.hpp>

#include <functional>
#include <utility>

namespace bulkhead {

namespace detail {

/// `make` gives a process that has not been started; it runs at each start.
child_start process_start(std::function<process()> make);

} // namespace detail

/// A child of a supervisor that is a whole process: a copy of `f` runs in it with copies of `args`,
/// at each start anew. Its end is the child's: normal where `f` has returned, else a failure with
/// what became of it (exit_status_of, failure_of). Asked to end, it gets process::interrupt():
/// this_worker::stop_requested() is true in it from then on; at its deadline, and under
/// brutal_kill, SIGKILL. The handle takes no messages but exit messages. Options as of process,
/// `daemon` has no effect: it ends with its supervisor.
template <class F, class... Args>
child_start process_child(process_options options, F f, Args... args) {
  return detail::process_start(
    [options = std::move(options), f = std::move(f), ... args = std::move(args)] {
      return process(options, f, args...);
    });
}

/// A child that is a pool of tasks in the supervisor's system: its handle takes (task name,
/// arguments...), as pool::actor() does. It ends abnormally where the pool breaks; asked to end, it
/// ends at once, and what its tasks had not finished is cancelled.
child_start pool_child(pool_options options);

} // namespace bulkhead
