#include <bulkhead/init.hpp>

#include "runtime/code/shipped_call.hpp"
#include "runtime/forkserver/forkserver.hpp"
#include "runtime/forkserver/forkserver_main.hpp"
#include "runtime/forkserver/forkserver_start.hpp"
#include "runtime/forkserver/worker_main.hpp"
#include "runtime/system/launch_error.hpp"
#include "runtime/this_process/own_process.hpp"
#include "runtime/this_process/own_threads.hpp"
#include "runtime/this_process/process_state.hpp"
#include "runtime/this_process/this_process.hpp"

#include <bulkhead/error.hpp>

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>

namespace bulkhead {

namespace {

using namespace runtime;
using namespace std::chrono_literals;

constexpr auto preload_patience = 60s;

int descriptor_in(const char* text) noexcept {
  int number = -1;
  const auto end = text + std::strlen(text);
  const auto parsed = std::from_chars(text, end, number);
  return parsed.ec == std::errc{} && parsed.ptr == end ? number : -1;
}

// Returns where this is the user's program.
void become_what_was_asked(int argc, char** argv) {
  if (argc != 3 || argv == nullptr)
    return;
  const std::string_view mark{argv[1]};
  if (mark == forkserver_mark)
    forkserver_by_exec(descriptor_in(argv[2]));
  if (mark == worker_mark)
    worker_by_exec(descriptor_in(argv[2]));
}

void learn_who_we_are(int argc, char** argv) {
  auto& self = this_process::get();
  self.name = argc > 0 && argv != nullptr ? argv[0] : "bulkhead";
  self.stdout_closed = ::fcntl(STDOUT_FILENO, F_GETFD) < 0;
  self.stderr_closed = ::fcntl(STDERR_FILENO, F_GETFD) < 0;
  self.note_loader(argc);
  // Before anything is made: a forkserver or worker that was exec'ed must not start as a host.
  become_what_was_asked(argc, argv);
  self.own_binary();
  reap_former_forkservers();
}

// The program has called fork(), as daemon(3) does, and goes on in the copy.
void begin_as_a_copy() noexcept {
  process_state::leave_to_parent();
  own_process::adopt();
  this_process::get().own_binary();
}

void run_preloaded(std::span<const std::byte> bytes) { run_call(bytes); }

constexpr const char* node_variable = "BULKHEAD_NODE";

/// What `bulkhead node --program` asks this program for; no process of ours inherits it. A program
/// with more rights than who started it does not listen.
std::string take_node_request() {
  const char* asked = ::secure_getenv(node_variable);
  std::string request = asked != nullptr ? asked : "";
  ::unsetenv(node_variable); // NOLINT(concurrency-mt-unsafe): the first line of main
  return request;
}

/// The program is a node in the place of what its main does.
[[noreturn]] void become_a_node(const std::string& request) {
  auto* serve = reinterpret_cast<int (*)(const char*)>(::dlsym(RTLD_DEFAULT, "bulkhead_node_main"));
  if (serve != nullptr)
    std::exit(serve(request.c_str())); // NOLINT(concurrency-mt-unsafe): there are no other threads
  std::fputs(
    "bulkhead: this program cannot be a node: it does not link bulkhead::engine_rabbitmq\n",
    stderr);
  std::exit(2); // NOLINT(concurrency-mt-unsafe): there are no other threads
}

} // namespace

void init(int argc, char** argv) {
  auto& self = this_process::get();
  const auto first = self.kind == this_process::role::not_initialised;
  // A second call in the same process changes nothing; after fork() the copy has an identity to
  // take.
  if (!first && own_process::identity() != 0)
    return;
  const auto node_request = first ? take_node_request() : std::string{};
  self.environment.clear();
  for (auto** each = environ; each != nullptr && *each != nullptr; ++each)
    self.environment.emplace_back(*each);
  if (first)
    learn_who_we_are(argc, argv);
  else
    begin_as_a_copy();
  self.kind = this_process::role::host;
  try {
    // A clone of a process with threads could meet their locks; then the first pool execs.
    if (thread_count() == 1)
      forkserver::start_early();
  } catch (const std::exception&) {
    // The first pool tries again by exec and tells what is wrong.
  }
  if (!node_request.empty())
    become_a_node(node_request);
}

void preload(const callable& f) {
  preload_call call{detail::to_ref(&run_preloaded), encode_call(f)};
  try {
    forkserver::preload(std::move(call), std::chrono::steady_clock::now() + preload_patience);
  } catch (const launch_error& e) {
    throw pool_broken("preload failed: " + std::string{e.what()});
  }
}

} // namespace bulkhead
