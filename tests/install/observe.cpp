// The installed library that looks on at pools.
#include "expect.hpp"

#include <bulkhead/bulkhead.hpp>
#include <bulkhead/observe.hpp>
#include <bulkhead/span.hpp>

#include <string>
#include <vector>

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  bulkhead::pool pool({.workers = 1, .name = "installed"});
  const bulkhead::observe::web_page page(pool, {.address = "127.0.0.1:0", .token = {}});
  EXPECT(page.url().starts_with("http://127.0.0.1:"));
  const auto in_parts = [](int x) {
    const bulkhead::this_task::span part("part");
    return x;
  };
  pool.map(in_parts, std::vector<int>(10, 1));
  const auto now = page.seen().now();
  EXPECT(now.stats.succeeded == 10 && now.tasks.size() == 1);
  EXPECT(now.tasks[0].dispatch.count() == 10);
  EXPECT(bulkhead::observe::metrics_text().find("pool=\"installed\"") != std::string::npos);
  EXPECT(bulkhead::observe::report_html(now, {}).find("installed") != std::string::npos);
}
