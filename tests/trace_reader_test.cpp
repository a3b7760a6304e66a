// ctest-link: bulkhead_observe
// ctest-link: bulkhead_config
// ctest-timeout: 120
// ctest-label: once
// A time line in a reader of its format that is none of ours: speedscope, from npm, in a browser.
// Where BULKHEAD_SPEEDSCOPE names its folder: npm pack speedscope && tar xzf speedscope-*.tgz
#include "tests/support/browser.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/runner_jobs.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tools/text/utf8.hpp"

#include <bulkhead/bulkhead.hpp>
#include <bulkhead/observe.hpp>
#include <bulkhead/span.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

using namespace bulkhead;
using testing::browser;
using tests::eventually;

namespace {

int count_down(int x) {
  const this_task::span part("decode");
  if (x == 3)
    std::raise(SIGSEGV);
  return x - 1;
}
BULKHEAD_TASK("test.count_down", count_down)

} // namespace

TEST_CASE("a foreign reader finds each worker's track in a time line") {
  const char* reader = std::getenv("BULKHEAD_SPEEDSCOPE");
  if (reader == nullptr || !browser::is_there()) {
    MESSAGE("skipped: there is no BULKHEAD_SPEEDSCOPE, or no chromium with chromium-driver");
    return;
  }
  const testing::temporary_folder folder;
  const auto file = folder.path() / "trace.json";
  {
    pool workers({.workers = 1, .name = "traced"});
    observe::trace line(workers, file);
    workers.try_map(count_down, {1, 2, 3, 4}, {.chunk = 1}); // one dies, another takes over
    CHECK(line.finish().empty());
  }
  // As speedscope's own command hands a file over.
  const auto profile =
    folder.write("profile.js", "speedscope.loadFileFromBase64('trace.json', '"
                                 + config::base64(testing::content_of(file)) + "')");
  browser page;
  page.open("file://" + std::string(reader)
            + "/dist/release/index.html#localProfilePath=" + profile.string());
  const auto shows = [&](const std::string& text) {
    return eventually([&] {
      return page.run("return document.title + document.body.innerText")
               .get<std::string>()
               .find(text)
             != std::string::npos;
    });
  };
  CHECK(shows("trace.json - speedscope"));
  CHECK(shows("pool traced"));
  CHECK(shows("/3)")); // the host and two workers
}
