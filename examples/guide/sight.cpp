// Snippets of the guide: what goes on in a pool, seen from outside.

#include <bulkhead/bulkhead.hpp>

#include <chrono>
#include <cmath>
#include <fstream>
#include <iostream>
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

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  bulkhead::pool pool({.workers = 2});
  serve(pool);
  look(pool, std::vector<double>(1000, 2.0));
}
