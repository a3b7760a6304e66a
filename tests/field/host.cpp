// The process around a pool: output, directory, descriptors, copies, signals, its end.
#include "tests/field/helpers.hpp"

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <random>

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

using namespace bulkhead;
using namespace bulkhead::field;

namespace {

int quit(int code) { ::_exit(code); }

/// A logger that opens its files in a static constructor, as many do.
struct static_log {
  static_log() {
    if (std::getenv("FIELD_STATIC_LOG") != nullptr)
      for (int i = 0; i < 4; ++i)
        files.push_back(std::fopen("/dev/null", "w"));
  }
  std::vector<FILE*> files;
};
static_log logs;

/// Logs more than a channel holds to each of them.
int log_much(int which) {
  auto* file = logs.files[static_cast<std::size_t>(which)];
  for (int i = 0; i < 4000; ++i)
    std::fputs("a line of a log, of about a hundred bytes, as most lines of most logs are.......\n",
               file);
  std::fflush(file);
  return 1;
}

/// Runs `call` in a fork() copy of this process: "returned", "refused", or how it died.
std::string in_copy(const std::function<void()>& call) {
  const auto pid = ::fork();
  if (pid == 0) {
    ::alarm(30);
    try {
      call();
      ::_exit(0);
    } catch (const std::exception&) {
      ::_exit(1);
    }
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (WIFSIGNALED(status))
    return "signal " + std::to_string(WTERMSIG(status));
  return WEXITSTATUS(status) == 0 ? "returned" : "refused";
}

/// The exit status of this executable as another program.
int status_of(std::string name) {
  std::string self = "field_pool";
  char* line[] = {self.data(), name.data(), nullptr};
  pid_t pid = 0;
  if (::posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr, line, environ) != 0)
    return -1;
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

pool& static_pool() {
  static pool p{{.workers = 2, .grace = 50ms}};
  return p;
}

std::atomic<int> alarms = 0;

/// One thread of the storm: a little of everything, by chance.
void storm(pool& p, unsigned seed) {
  std::mt19937 next{seed};
  for (int i = 0; i < 40; ++i)
    try {
      switch (next() % 6) {
      case 0:
        p.submit([] { std::abort(); }).wait(5s);
        break;
      case 1:
        p.submit(quit, 3).cancel(true);
        break;
      case 2:
        p.map_async(plus_one, numbers(static_cast<int>(next() % 200))).cancel(next() % 2 == 0);
        break;
      case 3:
        p.with({.timeout = 20ms}).submit([] { ::usleep(60'000); }).wait(5s);
        break;
      case 4:
        p.resize(1 + next() % 3);
        break;
      default:
        p.submit([](const std::string& s) { return s; }, std::string(next() % 200'000, 'a')).wait();
      }
    } catch (const error&) {
      continue; // the pool may be closed meanwhile
    }
}

} // namespace

FIELD_PROGRAM(what_tasks_print_comes_once_and_before_a_crash,
              "task 1; task 2, about to crash; host: header; end", "") {
  std::puts("host: header"); // used before the workers are forked; leaves with the host's buffer
  pool p{{.workers = 1, .start = start_method::fork}};
  p.apply([] { std::puts("task 1"); });
  p.submit([] {
     std::puts("task 2, about to crash");
     std::abort();
   })
    .wait();
  return "end";
}

FIELD_PROGRAM(what_a_process_prints_unsynchronised_is_not_lost, "child's result: 42; end", "") {
  std::ios::sync_with_stdio(false);
  process child([] { std::cout << "child's result: 42\n"; });
  child.start();
  child.join();
  return "end";
}

FIELD_PROGRAM(what_preload_prints_comes_once, "model loaded; end", "") {
  preload([] { std::printf("model loaded\n"); });
  pool p{{.workers = 4}};
  p.broadcast([] { return 1; });
  p.close();
  p.join();
  return "end";
}

FIELD_PROGRAM(last_words_on_a_used_stdout_are_captured, "header; last words", "") {
  std::puts("header");
  pool p{{.workers = 1, .start = start_method::fork, .output = output_mode::capture}};
  const auto f = p.submit([] {
                    std::puts("last words");
                    std::abort();
                  })
                   .outcome()
                   .failure();
  return f.last_output.find("last words") != std::string::npos ? "last words" : "nothing captured";
}

FIELD_PROGRAM(a_worker_is_where_the_host_is_when_it_starts, "/usr, /usr", "") {
  const auto where = [] { return std::filesystem::current_path().string(); };
  std::filesystem::current_path("/usr");
  const auto first = pool{{.workers = 1}}.apply(where);
  pool p{{.workers = 1}};
  const auto worker = p.apply(own_pid);
  ::kill(forkserver(), SIGKILL);
  ::kill(worker, SIGKILL);
  eventually([&] { return p.stats().restarts != 0; });
  return first + ", " + p.apply(where);
}

FIELD_PROGRAM(a_host_in_a_deleted_directory_has_pools, "4, 4, 4, 7", "") {
  {
    const temporary_folder gone;
    std::filesystem::current_path(gone.path());
  }
  std::string seen;
  for (const auto start : {start_method::forkserver, start_method::spawn, start_method::fork}) {
    pool p{{.workers = 2, .start = start}};
    seen += std::to_string(p.map(plus_one, {1, 2, 3})[2]) + ", ";
  }
  process child([] { ::_exit(7); });
  child.start();
  child.join();
  return seen + std::to_string(*child.exit_code());
}

FIELD_PROGRAM(what_tasks_leave_behind_is_reaped, "0 zombies", "open") {
  pool p{{.workers = 1}};
  const auto left = p.apply([] {
    for (int i = 0; i < 20; ++i)
      if (std::system("true &") != 0)
        return -1;
    return 0;
  });
  const auto of_worker = [] { return zombies(); };
  const bool none = eventually([&] { return p.apply(of_worker) == 0; }, 5s);
  return none && left == 0 ? "0 zombies" : counted(p.apply(of_worker), "zombies");
}

FIELD_PROGRAM(files_of_static_constructors_keep_their_descriptors, "4 of 4 logged, 0 bad messages",
              "open FIELD_STATIC_LOG=1") {
  pool p{{.workers = 1, .grace = 50ms}};
  int logged = 0;
  for (int i = 0; i < 4; ++i) {
    const auto f = p.submit(log_much, i);
    if (!f.wait(10s))
      f.cancel(true);
    logged += f.outcome().has_value();
  }
  return std::to_string(logged) + " of 4 logged, "
         + counted(p.stats().bad_messages, "bad messages");
}

FIELD_PROGRAM(descriptors_that_the_program_closed_are_not_used,
              "0 connections of the program touched", "open") {
  ::closefrom(3);
  std::vector<int> own;
  for (int i = 0; i < 8; ++i) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0)
      own.insert(own.end(), {pair[0], pair[1]});
  }
  try {
    pool p{{.workers = 2, .grace = 50ms}};
    p.submit(plus_one, 1).wait(10s);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what()); // refusing is right too
  }
  int touched = 0;
  std::vector<char> bytes(70'000);
  for (const int fd : own) {
    const auto got = ::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
    touched += got >= 0 || errno != EAGAIN;
  }
  return counted(touched, "connections of the program touched");
}

FIELD_PROGRAM(every_call_in_a_copy_of_the_host_returns_or_refuses, "0 of 14 died", "") {
  const gate closed;
  auto p = std::make_unique<pool>(pool_options{.workers = 2, .grace = 50ms});
  p->map(plus_one, {1, 2, 3});
  const auto f = p->submit(pass, closed.path());
  const auto g = p->submit(pass, closed.path());
  const auto waiting = p->submit(plus_one, 1);
  const auto ready = pool{{.workers = 1}}.submit(plus_one, 1);
  const std::vector<std::function<void()>> calls = {
    [&] { p->submit(plus_one, 1); },
    [&] { (void)p->stats(); },
    [&] { (void)p->workers(); },
    [&] { f.wait(10ms); },
    [&] { f.cancel(); },
    [&] { waiting.cancel(); },
    [&] { p->close(); },
    [&] { p->resize(3); },
    [&] { p->broadcast([] { return 1; }); },
    [&] {
      p->map(plus_one, {1, 2});
    },
    [&] { p->join(1s); },
    [&] { f.on_ready([](const auto&) {}); },
    [&] { p->terminate(); },
    [&] { p.reset(); },
  };
  int died = 0;
  for (const auto& call : calls)
    died += in_copy(call).starts_with("signal");
  closed.open();
  g.wait();
  return std::to_string(died) + " of " + std::to_string(calls.size()) + " died";
}

FIELD_PROGRAM(signals_of_a_fast_timer_disturb_nothing, "0 of 5 rounds went wrong", "") {
  struct sigaction action {};
  action.sa_handler = [](int) { ++alarms; };
  ::sigaction(SIGALRM, &action, nullptr);
  const itimerval often{{0, 300}, {0, 300}};
  ::setitimer(ITIMER_REAL, &often, nullptr);
  int wrong = 0;
  for (int i = 0; i < 5; ++i) {
    pool p{{.workers = 2}};
    const auto length = [](const std::string& s) { return s.size(); };
    wrong += p.map(plus_one, numbers(300)).back() != 300
             || p.submit(length, std::string(4 << 20, 'x')).get() != std::size_t{4} << 20
             || p.submit(quit, 3).outcome().failure().exit.code != 3;
    p.resize(3);
    p.close();
    p.join();
  }
  const itimerval never{};
  ::setitimer(ITIMER_REAL, &never, nullptr);
  return std::to_string(wrong) + " of 5 rounds went wrong";
}

FIELD_PROGRAM(main_returns_past_a_running_static_pool, "", "part") {
  (void)static_pool().submit([] { ::pause(); });
  static_pool().submit(plus_one, 1).wait();
  std::exit(5);
}

FIELD_PROGRAM(a_callback_exits, "", "part") {
  static_pool().submit(plus_one, 1).on_ready([](const auto&) { std::exit(5); });
  ::pause();
  return "";
}

FIELD_PROGRAM(a_thread_exits_while_main_waits, "", "part") {
  const auto f = static_pool().submit([] { ::pause(); });
  std::thread([] { std::exit(5); }).detach();
  f.wait();
  ::pause();
  return "";
}

FIELD_PROGRAM(a_program_may_end_with_running_tasks, "5, 5, 5", "") {
  return std::to_string(status_of("main_returns_past_a_running_static_pool")) + ", "
         + std::to_string(status_of("a_callback_exits")) + ", "
         + std::to_string(status_of("a_thread_exits_while_main_waits"));
}

FIELD_PROGRAM(terminate_lets_a_blocked_submit_go, "it threw", "") {
  pool p{{.workers = 1, .grace = 50ms, .queue_capacity = 1}};
  std::thread ending{[&] {
    eventually([&] { return p.stats().queued == 1; });
    p.terminate();
  }};
  std::string seen = "it took everything";
  try {
    for (int i = 0; i < 10; ++i)
      (void)p.submit([] { ::pause(); });
  } catch (const error&) {
    seen = "it threw";
  }
  ending.join();
  return seen;
}

FIELD_PROGRAM(a_storm_of_everything_adds_up, "3 of 3 rounds add up", "") {
  int right = 0;
  for (unsigned round = 0; round < 3; ++round) {
    pool p{{.workers = 2,
            .max_tasks_per_worker = round == 1 ? 20U : 0U,
            .grace = 100ms,
            .queue_capacity = 200,
            .retries = round % 2,
            .ring_capacity = 65'536}};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 3; ++i)
      threads.emplace_back([&p, seed = round * 3 + i] { storm(p, seed); });
    for (auto& t : threads)
      t.join();
    p.terminate();
    const auto s = p.stats();
    right += s.submitted == s.succeeded + s.failed + s.cancelled;
  }
  return std::to_string(right) + " of 3 rounds add up";
}
