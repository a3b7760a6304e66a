#include "runtime/forkserver/launch.hpp"

#include "runtime/forkserver/forkserver.hpp"
#include "runtime/this_process/own_process.hpp"

#include <bulkhead/error.hpp>

#include <string>

namespace bulkhead::runtime {

namespace {

void check(const launch_request& request) {
  if (request.entry == nullptr)
    throw config_error("launch: no entry function");
  if (request.start.size() > max_start_bytes)
    throw config_error("launch: " + std::to_string(request.start.size())
                       + " bytes of start data; at most " + std::to_string(max_start_bytes));
  if (request.fds.size() > max_launch_fds)
    throw config_error("launch: " + std::to_string(request.fds.size()) + " descriptors; at most "
                       + std::to_string(max_launch_fds));
  const auto method = request.method;
  if (method == start_method::thread || method == start_method::eager)
    throw config_error("launch: the start methods thread and eager make no process");
  if (method == start_method::fork && !request.server)
    throw config_error("launch: start_method::fork needs a copy of the host");
}

} // namespace

std::shared_ptr<child> launch(const launch_request& request, child::exit_handler on_exit,
                              std::chrono::steady_clock::time_point deadline) {
  own_process::require();
  check(request);
  if (request.server)
    return request.server->start(request, std::move(on_exit), deadline);
  const auto first = forkserver::common(deadline);
  try {
    return first->start(request, on_exit, deadline);
  } catch (const launch_error&) {
    // A forkserver that refuses is right; one that died was perhaps long dead, so that one new one
    // is tried. Not more: where the program itself kills them, a loop would not end.
    if (first->usable())
      throw;
  }
  return forkserver::common(deadline)->start(request, std::move(on_exit), deadline);
}

std::shared_ptr<forkserver> copy_host() { return forkserver::copy_of_host(); }

} // namespace bulkhead::runtime
