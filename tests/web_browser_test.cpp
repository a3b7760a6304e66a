// ctest-link: bulkhead_observe
// ctest-timeout: 120
// ctest-label: once
// The page in a real browser: what it shows of a pool, while workers die, and of a large and busy
// one. BULKHEAD_TEST_SECONDS: that for so long, with processes instead of threads.
#include "tests/support/browser.hpp"
#include "tests/support/eventually.hpp"

#include <bulkhead/bulkhead.hpp>
#include <bulkhead/observe.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;
using testing::browser;
using tests::eventually;

namespace {

int stumble(int x) {
  if (x == 3)
    throw std::runtime_error("<img src=x onerror=alert(1)>");
  return x;
}
BULKHEAD_TASK("test.stumble", stumble)

constexpr const char* rows = "return document.querySelectorAll('#workers tbody tr').length";
constexpr const char* first_row =
  "return document.querySelector('#workers tbody tr td').textContent";

std::string row_of(pid_t pid) {
  return "return document.querySelector('#workers tr[data-pid=\"" + std::to_string(pid)
         + "\"]') !== null";
}

/// Whatever can be used without a mouse has a name that a reader can say.
constexpr const char* nameless = R"(
  return [...document.querySelectorAll('button, input, progress, [tabindex], [role=img], section')]
    .filter(e => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')
                   || e.textContent.trim()))
    .map(e => e.outerHTML))";

constexpr const char* drawn = R"(
  const c = document.getElementById('stream');
  return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v))";

/// The longest time between two pictures, in milliseconds.
constexpr const char* watch_pictures = R"(
  window.longest = 0;
  let before = performance.now();
  const look = now => { window.longest = Math.max(window.longest, now - before); before = now;
                        requestAnimationFrame(look); };
  requestAnimationFrame(look))";

constexpr const char* foreign = R"(
  return performance.getEntriesByType('resource').map(e => new URL(e.name).host)
    .filter(h => h !== location.host))";

} // namespace

TEST_CASE("the page shows workers, their deaths and failures, and sorts and filters them") {
  if (!browser::is_there()) {
    MESSAGE("skipped: there is no chromium with chromium-driver");
    return;
  }
  std::optional<pool> workers(std::in_place, pool_options{.workers = 3, .name = "shown"});
  observe::web_page page(*workers);
  browser shown;
  shown.open(page.url());
  workers->try_map(stumble, {1, 2, 3, 4, 5});
  CHECK(eventually([&] { return shown.run(rows) == 3; }));
  CHECK(shown.run("return document.title") == "shown – Bulkhead");
  CHECK(eventually([&] {
    return shown.run("return document.getElementById('failures').textContent")
             .get<std::string>()
             .find("<img src=x")
           != std::string::npos;
  }));
  CHECK(shown.run("return document.querySelectorAll('#failures img').length") == 0);
  CHECK(eventually([&] { return shown.run(drawn) == true; }));
  CHECK(shown.run(nameless) == nlohmann::json::array());
  CHECK(shown.run(foreign) == nlohmann::json::array());

  const auto victim = workers->workers().front().pid;
  CHECK(shown.run(row_of(victim)) == true);
  ::kill(victim, SIGKILL);
  CHECK(eventually([&] { return shown.run(row_of(victim)) == false && shown.run(rows) == 3; }));
  CHECK(eventually(
    [&] { return shown.run("return document.querySelectorAll('#happened .died').length") == 1; }));

  CHECK(shown.run(first_row) == "2");
  shown.click("#workers th button"); // the other way round
  CHECK(shown.run(first_row) == "4");
  shown.type("#filter", std::to_string(workers->workers().front().pid));
  CHECK(shown.run(rows) == 1);
  CHECK(shown.screenshot().size() > 10'000);

  workers.reset();
  CHECK(eventually([&] {
    return shown.run("return document.getElementById('host').textContent")
             .get<std::string>()
             .find("has ended")
           != std::string::npos;
  }));
}

TEST_CASE("the page keeps up with 256 workers and 10,000 tasks a second") {
  if (!browser::is_there()) {
    MESSAGE("skipped: there is no chromium with chromium-driver");
    return;
  }
  const char* given = std::getenv("BULKHEAD_TEST_SECONDS");
  const int seconds = given == nullptr ? 3 : std::atoi(given);
  pool workers({.workers = 256,
                .start = given == nullptr ? start_method::thread : start_method::forkserver,
                .name = "many"});
  const observe::web_page page(workers);
  browser shown;
  shown.open(page.url());
  CHECK(eventually([&] { return shown.run(rows) == 256; }));
  shown.run(watch_pictures);
  const std::vector<int> some(500, 1);
  auto next = std::chrono::steady_clock::now();
  for (int i = 0; i < 20 * seconds; ++i) { // as fast as that, or as the machine can
    workers.map(stumble, some, {.chunk = 1});
    std::this_thread::sleep_until(next += std::chrono::milliseconds{50});
    if (i == 10 * seconds) { // used meanwhile
      shown.click("#workers th button");
      CHECK(shown.run(first_row) == "256");
      shown.type("#filter", "no such worker");
      CHECK(shown.run(rows) == 0);
    }
  }
  const auto took = std::chrono::steady_clock::now() - next + std::chrono::seconds{seconds};
  CHECK(eventually(
    [&] { return shown.run("return document.getElementById('done').value") == 10'000 * seconds; }));
  CHECK(shown.run("return slices.length <= most_slices") == true);
  CHECK(shown.run(drawn) == true);
  const auto rate = 10'000 * seconds / std::chrono::duration<double>(took).count();
  MESSAGE(rate << " tasks/s; longest time without a new picture: "
               << shown.run("return window.longest") << " ms");
}
