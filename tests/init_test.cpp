// ctest-label: fault
#include <bulkhead/init.hpp>

#include "runtime/forkserver/forkserver.hpp"
#include "runtime/process/watch_thread.hpp"
#include "runtime/this_process/this_process.hpp"
#include "tests/support/launching.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/error.hpp>

#include <doctest/doctest.h>

#include <spawn.h>
#include <sys/wait.h>

#include <csignal>
#include <stdexcept>
#include <thread>

using namespace bulkhead::tests;
using namespace bulkhead::runtime;

namespace {

struct result {
  std::string text; ///< stdout and stderr
  int code = 0;
};

result run(const std::string& program, std::vector<std::string> words) {
  pipe_ends pipe;
  words.insert(words.begin(), program);
  std::vector<char*> arguments;
  for (auto& word : words)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe.write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, pipe.write.get(), STDERR_FILENO);
  pid_t pid = 0;
  REQUIRE(posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments.data(), environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  pipe.write.reset();
  result made;
  made.text = read_all(pipe.read.get());
  int status = 0;
  ::waitpid(pid, &status, 0);
  made.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return made;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

int preloaded = 0;

void load(int value) { preloaded = value; }

void tell_preloaded(worker_start& worker) { tell(worker.fds.at(0).get(), preloaded); }

int preloaded_in_worker() {
  pipe_ends pipe;
  auto worker = start(tell_preloaded, {pipe.write.get()});
  const auto value = hear<int>(pipe.read.get());
  worker.wait();
  return value;
}

void start_thread() {
  std::thread{[] {
    pthread_setname_np(pthread_self(), "loader");
    for (;;)
      ::pause();
  }}.detach();
}

std::string preload_error(const bulkhead::callable& f) {
  try {
    bulkhead::preload(f);
  } catch (const bulkhead::pool_broken& e) {
    return e.what();
  }
  return "no error";
}

// Starts workers inside workers until it is refused; tells the depth.
void nest(worker_start& worker) {
  start_watch_thread(worker.control.get(), worker.host.get(), nullptr, {});
  const int out = worker.fds.at(0).get();
  auto request = request_for(nest, {out});
  try {
    std::promise<child_exit> ended;
    const auto inner = launch(
      request, [&](const child_exit& how) { ended.set_value(how); }, soon());
    ended.get_future().get();
  } catch (const launch_error& e) {
    const auto depth = this_process::get().depth;
    tell(out, contains(e.what(), "nested 8 deep") ? depth : 1000 + depth);
  }
}

void nest_and_stay(worker_start& worker) {
  start_watch_thread(worker.control.get(), worker.host.get(), nullptr, {});
  const int out = worker.fds.at(0).get();
  const auto depth = this_process::get().depth;
  const auto inner = depth < 3 ? launch(request_for(nest_and_stay, {out}), {}, soon()) : nullptr;
  tell(out, ::getpid());
  for (;;)
    ::pause();
}

} // namespace

TEST_CASE("calling init again does nothing") {
  const leak_guard guard;
  const auto before = forkserver::common(soon());
  char name[] = "name";
  char* words[] = {name, nullptr};
  bulkhead::init(1, words);
  bulkhead::init(0, nullptr);
  CHECK(forkserver::common(soon()) == before);
}

TEST_CASE("the library's own arguments on a command line end with a clear text") {
  const leak_guard guard;
  for (const char* mark : {forkserver_mark, worker_mark})
    for (const char* number : {"0", "1", "17", "x", "-1", "99999999999"}) {
      const auto got = run("/proc/self/exe", {mark, number});
      CHECK(got.code == 2);
      CHECK(contains(got.text, std::string{mark} + " is an argument that the bulkhead library"));
    }
}

TEST_CASE("without init the first process says which line to add") {
  const leak_guard guard;
  const auto got = run(BULKHEAD_TEST_PROGRAM_DIR "/uninitialised_host", {});
  CHECK(got.code == 3);
  CHECK(contains(got.text, "make `bulkhead::init(argc, argv);` the first line of main"));
}

TEST_CASE("a program with threads before main works: its workers are exec'ed") {
  const leak_guard guard;
  const auto got = run(BULKHEAD_TEST_PROGRAM_DIR "/threaded_host", {});
  CHECK(got.code == 0);
  CHECK(contains(got.text, "code 7, signal 0, threads early ("));
}

TEST_CASE("a program that crashes when it is started a second time is told so") {
  const leak_guard guard;
  const auto got = run(BULKHEAD_TEST_PROGRAM_DIR "/fragile_host", {});
  CHECK(got.code == 3);
  CHECK_MESSAGE(contains(got.text, "the forkserver (killed by SIGSEGV"), got.text);
}

TEST_CASE("what was preloaded is in each worker, also after the forkserver was replaced") {
  const leak_guard guard;
  bulkhead::preload(bulkhead::call(load, 42));
  CHECK(preloaded == 0);
  CHECK(preloaded_in_worker() == 42);
  const auto victim = open_pidfd(forkserver::common(soon())->pid());
  REQUIRE(send_signal(victim.get(), SIGKILL));
  CHECK(ends_in_time(victim.get()));
  CHECK(preloaded_in_worker() == 42);
}

TEST_CASE("a preload that leaves threads, throws or crashes is refused with the reason") {
  const leak_guard guard;
  CHECK(contains(preload_error(start_thread), "loader ("));
  CHECK(contains(preload_error([] { throw std::runtime_error{"no model"}; }), "no model"));
  CHECK(contains(preload_error([] { ::raise(SIGSEGV); }), "has died"));
  CHECK(preloaded_in_worker() == 42); // those of before still hold
}

TEST_CASE("workers may start workers, eight deep") {
  const leak_guard guard;
  pipe_ends pipe;
  auto worker = start(nest, {pipe.write.get()});
  CHECK(hear<unsigned>(pipe.read.get()) == 8);
  CHECK(worker.wait().code == 0);
}

TEST_CASE("workers of a worker die with it") {
  const leak_guard guard;
  pipe_ends pipe;
  auto worker = start(nest_and_stay, {pipe.write.get()});
  std::vector<unique_fd> all;
  for (int n = 0; n < 3; ++n)
    all.push_back(open_pidfd(hear<pid_t>(pipe.read.get())));
  worker.process->kill(SIGKILL);
  worker.wait();
  for (const auto& each : all) {
    REQUIRE(each);
    CHECK(ends_in_time(each.get()));
  }
}
