// Counts words on two nodes, each of which is killed once.
//
// A node is this same program, so that it has the code of the tasks. Here both run on this machine,
// as children; elsewhere they are started with bulkhead node --program, or in a main of their own
// by bulkhead::run_node.

#include <bulkhead/rabbitmq.hpp>
#include <bulkhead/tasks.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using counts = std::map<std::string, int>;

constexpr const char* text[] = {"the quick brown fox jumps over the lazy dog",
                                "the dog sleeps and the fox runs over the hill",
                                "a quick look over the hill shows the brown dog"};

counts count_words(const std::string& line) {
  counts found;
  for (std::size_t at = 0; at < line.size();) {
    const auto end = std::min(line.find(' ', at), line.size());
    ++found[line.substr(at, end - at)];
    at = end + 1;
  }
  return found;
}

bulkhead::rabbitmq engine(const std::string& url) {
  return {.url = url, .queue = "word-count", .lease = 2s, .nodes_within = 60s};
}

/// What a node does, in a process of its own.
void be_a_node(std::string url) {
  bulkhead::run_node({.engine = engine(url), .pool = {.workers = 1}, .on_message = [](auto&) {}});
}

using node = std::unique_ptr<bulkhead::process>;

node start_node(const std::string& url) {
  auto made = std::make_unique<bulkhead::process>(be_a_node, url);
  made->start();
  return made;
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  const char* url = std::getenv("BULKHEAD_ENGINE_URL");
  if (url == nullptr) {
    std::puts(
      "set BULKHEAD_ENGINE_URL to the URL of a RabbitMQ broker, as scripts/with_broker does");
    return 2;
  }
  node nodes[] = {start_node(url), start_node(url)};
  // Counting has no effect but its result, so it may be done again: retries say so.
  bulkhead::pool pool({.retries = 5, .engine = engine(url)});
  std::vector<std::string> lines;
  for (int i = 0; i < 3000; ++i)
    lines.emplace_back(text[i % 3]);
  counts all;
  int done = 0;
  for (const auto& found : pool.imap_unordered(count_words, lines)) {
    for (const auto& [word, count] : found)
      all[word] += count;
    if (++done == 500 || done == 1500) {
      auto& victim = nodes[done == 500 ? 0 : 1];
      victim->kill();
      victim = start_node(url);
    }
  }
  std::printf("%d lines counted on two nodes, each killed once\n", done);
  for (const auto* word : {"the", "dog", "over", "fox", "hill"})
    std::printf("%6d  %s\n", all[word], word);
}
