#pragma once

#include "runtime/process/worker_start.hpp"

#include <bulkhead/callable.hpp>

#include <cstddef>
#include <string_view>
#include <vector>

namespace bulkhead::runtime {

/// Start bytes of a bulkhead::process for process_entry. The launch brings the descriptors that
/// add_descriptors lists for the call, in that order. Throws codec_error.
std::vector<std::byte> process_start(std::string_view name, std::uint64_t number,
                                     const callable& call);

/// Runs in the new process, whose descriptors are its page and the file beside it: names it,
/// watches the host, runs the call and leaves its end there. Exit code 1 and a line on stderr where
/// it throws.
void process_entry(worker_start& worker);

} // namespace bulkhead::runtime
