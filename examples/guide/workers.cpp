// Snippets of the guide: workers and their life, processes, embedding.

#include <bulkhead/audit.hpp>
#include <bulkhead/bulkhead.hpp>
#include <bulkhead/checked.hpp>
#include <bulkhead/decoding.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

using namespace std::chrono_literals;

//[
std::unordered_set<std::string> dictionary; // one in each worker

void load_dictionary(const std::filesystem::path& file) {
  std::ifstream words{file};
  for (std::string word; words >> word;)
    dictionary.insert(word);
}

bool is_known(const std::string& word) { return dictionary.contains(word); }

void initializer() {
  bulkhead::pool pool({
    .workers = 4,
    .initializer = bulkhead::call(load_dictionary, "/usr/share/common-licenses/GPL-3"),
  });
  std::cout << pool.apply(is_known, "software") << '\n'; // 1
}
//]

void load_once() {
  //[
  bulkhead::preload(bulkhead::call(load_dictionary, "/usr/share/common-licenses/GPL-3"));
  bulkhead::pool pool({.workers = 4}); // all workers share the pages of the dictionary
  //]
  std::cout << pool.apply(is_known, "software") << '\n';
}

//[
void on_demand() {
  bulkhead::pool pool({
    .workers = 2,     // to begin with
    .min_workers = 1, // where for idle_timeout there was nothing for more
    .max_workers = 8, // as many as there are tasks, at once
    .idle_timeout = 30s,
  });
  std::cout << pool.map([](int x) { return 2 * x; }, {1, 2, 3}).size() << '\n'; // 3
}
//]

//[
std::vector<float> normalised(std::vector<float> samples) {
  float loudest = 0;
  for (float x : samples)
    loudest = std::max(loudest, std::abs(x));
  for (float& x : samples)
    x /= loudest;
  return samples;
}

void large_arguments(bulkhead::pool& pool) {
  std::vector<float> samples(1'000'000, 0.5f); // 4 MB: travels as shared memory
  auto result = pool.apply(normalised, samples);
}
//]

void watch(bulkhead::pool& pool) {
  //[
  for (const bulkhead::worker_info& w : pool.workers())
    std::cout << w.id << ' ' << w.pid << ' ' << to_string(w.state) << ' ' << w.tasks_done << '\n';

  const bulkhead::pool_stats s = pool.stats();
  std::cout << s.succeeded << " of " << s.submitted << " succeeded, " << s.restarts
            << " workers replaced\n";

  for (const bulkhead::isolation_feature& f : pool.isolation())
    if (f.requested && !f.active)
      std::cout << f.name << ": " << f.why_not << '\n';
  //]
}

void events() {
  //[
  bulkhead::pool pool({.on_event = [](const bulkhead::pool_event& e) {
    if (e.kind == bulkhead::event_kind::died)
      std::cerr << e.text << '\n'; // runs in the pool's callback thread
  }});
  //]
}

//[
int twice(int x) { return 2 * x; }

void in_order() {
  bulkhead::pool pool({.workers = 2});
  auto answer = pool.submit(twice, 21);
  pool.close(); // no more tasks: submit throws pool_closed
  pool.join();  // all that were submitted are done, all workers have ended
  std::cout << answer.get() << '\n';
}
//]

//[
int total_of(int n) {
  std::cout << "adding" << std::endl;
  int total = 0;
  for (int i = 1; i <= n; ++i)
    total += i;
  return total;
}

void one_process() {
  bulkhead::process child(total_of, 3);
  child.start();
  std::cout << child.get<int>() << '\n'; // 6: waits, and throws what became of it otherwise

  bulkhead::process crasher({.name = "crasher", .output = bulkhead::output_mode::capture},
                            [] { std::abort(); });
  crasher.start();
  if (auto why = crasher.failure())
    std::cout << to_string(*why) << '\n'; // killed by SIGABRT, with backtrace and last output
  std::cout << "exit code " << *crasher.exit_code() << '\n'; // -6
}
//]

//[
void family() {
  bulkhead::process child({.name = "child"}, [] {
    std::cout << bulkhead::current_process().name << " of " << bulkhead::parent_process()->name()
              << '\n'; // child of main
    while (!bulkhead::this_worker::stop_requested())
      std::this_thread::sleep_for(10ms);
  });
  child.start();
  for (const auto& each : bulkhead::active_children())
    std::cout << each.name << ' ' << each.pid << '\n';
  child.interrupt(); // asks it to end
  child.join();
}
//]

//[
std::size_t count_words(const std::string& text) { // of a stranger
  return 1 + static_cast<std::size_t>(std::count(text.begin(), text.end(), ' '));
}

void shut_in() {
  bulkhead::pool pool({
    .workers = 2,
    .sandbox = {.base = bulkhead::sandbox_profile::strict},
  });
  std::cout << pool.apply(count_words, "whatever it does, it does alone") << '\n';
}
//]

bulkhead::pool_options thumbnailer() {
  //[
  bulkhead::pool_options options;
  options.sandbox = {
    .base = bulkhead::sandbox_profile::strict,
    .read = {"/usr/share"}, // its fonts, say
    .threads = true,        // the library starts some
  };
  //]
  return options;
}

//[
void find_policy(const std::vector<std::string>& samples) {
  auto audit = std::make_shared<bulkhead::sandbox_audit>();
  {
    bulkhead::pool pool({
      .sandbox = {.base = bulkhead::sandbox_profile::strict, .audit = audit},
    });
    pool.map(count_words, samples);
  }
  for (const auto& each : audit->findings())
    std::cout << each.what.call << ' ' << each.what.target << ": " << each.what.remedy << '\n';
  bulkhead::sandbox_policy policy = audit->smallest(); // for the pool that serves strangers
  std::cout << policy.read.size() << '\n';             // 0
}
//]

//[
bool is_share(const double& x) { return x >= 0 && x <= 1; }

bulkhead::checked<double, is_share> share_of_blanks(const std::string& text) {
  return static_cast<double>(std::count(text.begin(), text.end(), ' '))
         / static_cast<double>(text.size());
}

void check_results(bulkhead::pool& pool) {
  bulkhead::limit_decoding({.memory_bytes = 1 << 20, .elements = 1000});
  double share = pool.apply(share_of_blanks, "a text of a stranger"); // or codec_error
  std::cout << share << '\n';
}
//]

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  load_once();
  initializer();
  on_demand();
  bulkhead::pool pool({.workers = 2});
  large_arguments(pool);
  watch(pool);
  events();
  in_order();
  one_process();
  family();
  shut_in();
  thumbnailer();
  find_policy({"one two", "three"});
  check_results(pool);
}
