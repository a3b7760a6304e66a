// Snippets of the guide: what connects tasks and processes while they run.

#include <bulkhead/bulkhead.hpp>
#include <bulkhead/listener.hpp>
#include <bulkhead/manager.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <iostream>
#include <mutex>
#include <numeric>
#include <optional>
#include <ranges>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

using namespace std::chrono_literals;

//[
void shout(bulkhead::connection<std::string> pipe) { pipe.send(pipe.recv() + "!"); }

void one_pipe() {
  auto [ours, theirs] = bulkhead::make_pipe<std::string>();
  bulkhead::process child(shout, theirs);
  child.start();
  theirs.close(); // or recv() would not learn that the child is gone
  ours.send("hello");
  std::cout << ours.recv() << '\n'; // hello!
  child.join();
}
//]

//[
void work_on(bulkhead::queue<int> jobs, bulkhead::queue<int> results) {
  while (auto job = jobs.get(10s)) {
    results.put(*job * *job);
    jobs.task_done();
  }
}

void a_queue_of_jobs(bulkhead::pool& pool) {
  bulkhead::queue<int> jobs, results;
  for (int i = 1; i <= 100; ++i)
    jobs.put(i);
  auto one = pool.submit(work_on, jobs, results);
  auto two = pool.submit(work_on, jobs, results);
  jobs.join();                         // each job was marked as done
  std::cout << results.size() << '\n'; // 100
  jobs.close();                        // ends the two tasks: their get() throws queue_closed
}
//]

//[
void count_hits(bulkhead::shared_array<int> hits, bulkhead::shared_value<long> total) {
  const std::scoped_lock lock{hits.mutex()};
  for (int& each : hits)
    ++each;
  total.fetch_add(static_cast<long>(hits.size()));
}

void shared_numbers(bulkhead::pool& pool) {
  bulkhead::shared_array<int> hits(1000);
  bulkhead::shared_value<long> total(0);
  for (int i = 0; i < 10; ++i)
    pool.apply(count_hits, hits, total);
  std::cout << hits[7] << ' ' << total.load() << '\n'; // 10 10000
}
//]

//[
long total(const bulkhead::blob& samples) {
  const auto all = samples.as<int>(); // a std::span of the same memory in every process
  return std::accumulate(all.begin(), all.end(), 0L);
}

void sealed(bulkhead::pool& pool) {
  bulkhead::blob_builder builder(1000 * sizeof(int)); // written in place, in a task as well
  std::ranges::fill(builder.bytes(), std::byte{1});
  const bulkhead::blob samples = std::move(builder).seal();
  std::cout << pool.apply(total, samples) << '\n'; // 16843009000
}
//]

//[
void into_own_memory(bulkhead::pool& pool) {
  std::vector<double> frame(1000); // used again and again
  const auto half = [](int x) { return x / 2.0; };
  pool.map_into(half, std::views::iota(0, 1000), std::span{frame});
  const auto one = pool.submit([] { return std::vector<double>(500, 1.5); });
  std::cout << one.get_into(frame) << '\n';             // 500
  std::cout << frame[499] << ' ' << frame[999] << '\n'; // 1.5 499.5
}
//]

//[
void transfer(bulkhead::mutex lock, bulkhead::shared_memory accounts) {
  const std::scoped_lock held{lock};
  if (lock.previous_owner_died()) { // it was killed half way
    std::ranges::fill(accounts.bytes(), std::byte{0});
    lock.mark_consistent();
  }
  accounts.bytes()[0] = std::byte{1};
}

void repaired(bulkhead::pool& pool) {
  bulkhead::mutex lock;
  bulkhead::shared_memory accounts(4096);
  pool.apply(transfer, lock, accounts);
  bulkhead::shared_memory_view seen = accounts.view();        // from now on nobody new can write
  std::cout << std::to_integer<int>(seen.bytes()[0]) << '\n'; // 1
}
//]

//[
void meet(bulkhead::barrier all_here, bulkhead::semaphore two_at_a_time, bulkhead::event go,
          bulkhead::latch finished) {
  all_here.wait();
  go.wait();
  two_at_a_time.acquire();
  // at most two processes are here
  two_at_a_time.release();
  finished.count_down();
}

void in_step(bulkhead::pool& pool) {
  bulkhead::barrier all_here(2);
  bulkhead::semaphore two_at_a_time(2);
  bulkhead::event go;
  bulkhead::latch finished(2);
  auto one = pool.submit(meet, all_here, two_at_a_time, go, finished);
  auto two = pool.submit(meet, all_here, two_at_a_time, go, finished);
  go.set();
  finished.wait();
}
//]

//[
std::string first_line(bulkhead::descriptor file) {
  std::array<char, 16> line{};
  const auto count = ::read(file.fd(), line.data(), line.size());
  return count > 0 ? std::string(line.data(), static_cast<std::size_t>(count)) : "";
}

void an_open_file(bulkhead::pool& pool) {
  bulkhead::descriptor file{::open("/etc/hostname", O_RDONLY | O_CLOEXEC)};
  std::cout << pool.apply(first_line, file); // the worker need not be allowed to open it
}
//]

//[
void count_words(std::string text, bulkhead::managed_dict<std::string, int> totals) {
  std::istringstream words{text};
  for (std::string word; words >> word;)
    totals.update(word, [](std::optional<int> n) { return n.value_or(0) + 1; });
}

void a_manager(bulkhead::pool& pool) {
  bulkhead::manager shared; // a process of its own
  auto totals = shared.make_dict<std::string, int>("totals");
  auto one = pool.submit(count_words, "to be or not to be", totals);
  auto two = pool.submit(count_words, "to do is to be", totals);
  one.wait(), two.wait();
  std::cout << *totals.get("to") << '\n'; // 4

  // Other programs of the same user find the same objects, if they know the key.
  const std::string key = bulkhead::make_key();
  const std::string address = "@totals-" + std::to_string(::getpid());
  shared.serve_at(address, key);
  auto found = bulkhead::connect_manager(address, key);
  std::cout << *found.make_dict<std::string, int>("totals").get("be") << '\n'; // 3
}
//]

//[
void answer_one(bulkhead::listener& door) {
  auto peer = door.accept<int>();
  peer.send(2 * peer.recv());
}

void two_programs() {
  const std::string key = bulkhead::make_key();                         // both programs have it
  const std::string address = "@doubler-" + std::to_string(::getpid()); // or a path
  bulkhead::listener door(address, key);
  std::jthread server(answer_one, std::ref(door));
  auto line = bulkhead::connect<int>(address, key); // in the other program
  line.send(21);
  std::cout << line.recv() << '\n'; // 42
}
//]

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  bulkhead::pool pool({.workers = 2});
  one_pipe();
  a_queue_of_jobs(pool);
  shared_numbers(pool);
  sealed(pool);
  into_own_memory(pool);
  repaired(pool);
  in_step(pool);
  an_open_file(pool);
  a_manager(pool);
  two_programs();
}
