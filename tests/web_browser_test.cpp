// ctest-link: bulkhead_observe
// ctest-timeout: 120
// ctest-label: once
// The page in a real browser: what it shows of a pool, while workers die.
#include "tests/support/browser.hpp"
#include "tests/support/eventually.hpp"

#include <bulkhead/bulkhead.hpp>
#include <bulkhead/observe.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <optional>
#include <stdexcept>
#include <string>

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
