// Snippets of the guide: what goes on in a pool, seen from outside.

#include <bulkhead/bulkhead.hpp>

#include <chrono>
#include <cmath>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

//[
#include <bulkhead/observe.hpp> // links bulkhead::observe

void serve(const bulkhead::pool& pool) {
  bulkhead::observe::web_page page(pool, {.address = "127.0.0.1:0"});
  std::cout << "see " << page.url() << '\n'; // and /metrics there, for Prometheus
}
//]

double slow_root(double x) { return std::sqrt(x); }

void look(bulkhead::pool& pool, const std::vector<double>& numbers) {
  //[
  bulkhead::observe::watch seen(pool);
  bulkhead::observe::trace line(pool, "trace.json"); // open it at ui.perfetto.dev
  pool.map(slow_root, numbers);
  const bulkhead::observe::snapshot now = seen.now();
  for (const bulkhead::observe::task_sight& t : now.tasks)
    std::cout << t.name << ": " << t.succeeded << ", half of them within "
              << t.run.quantile(0.5) * 1e6 << " us\n"; // slow_root: 1000, ...
  std::ofstream("report.html") << bulkhead::observe::report_html(now);
  //]
}

std::string content_of(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::size_t words_in(const std::string& text) {
  std::istringstream in(text);
  return static_cast<std::size_t>(
    std::distance(std::istream_iterator<std::string>(in), std::istream_iterator<std::string>()));
}

//[
#include <bulkhead/span.hpp>

std::size_t count_words(const std::string& file) {
  bulkhead::this_task::span reading("read");
  const std::string text = content_of(file);
  reading.end();
  const bulkhead::this_task::span counting("count"); // until the task ends
  return words_in(text);
}
//]

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  //[
  bulkhead::pool pool({.workers = 2, .name = "service", .observe = true});
  //]
  serve(pool);
  look(pool, std::vector<double>(1000, 2.0));
  pool.apply(count_words, "report.html");
}
