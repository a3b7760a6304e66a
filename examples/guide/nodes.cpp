// A pool on nodes. The test has no broker: without BULKHEAD_ENGINE_URL nothing is called.
#include <bulkhead/rabbitmq.hpp>
#include <bulkhead/tasks.hpp>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

int word_length(const std::string& word) { return static_cast<int>(word.size()); }

//[
// On one machine: the pool, whose tasks run on nodes.
void submit(const std::string& url) {
  bulkhead::pool pool({.retries = 2, // counting again does no harm
                       .engine = bulkhead::rabbitmq{.url = url, .queue = "lengths"}});
  for (const int length : pool.map(word_length, {"on", "other", "machines"}))
    std::cout << length << ' '; // 2 5 8
}

// On the others: the same program, until SIGTERM.
int serve(const std::string& url) {
  return bulkhead::run_node(
    {.engine = {.url = url, .queue = "lengths"}, .pool = {.workers = 8}, .drain = 60s});
}
//]

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  const char* url = std::getenv("BULKHEAD_ENGINE_URL");
  if (url == nullptr)
    return 0;
  if (argc > 1)
    return serve(url);
  submit(url);
}
