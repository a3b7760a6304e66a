// ctest-timeout: 120
#include "tests/support/caf_spelling.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/sanitizer_calls.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/audit.hpp>
#include <bulkhead/error.hpp>

#include <caf/event_based_actor.hpp>
#include <doctest/doctest.h>

#include <fcntl.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace bulkhead::tests;

/// Doubles numbers, and opens what a text names: its errno.
caf::behavior opener(caf::event_based_actor*) {
  return {
    [](int x) { return 2 * x; },
    [](const std::string& path) {
      return ::open(path.c_str(), O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
    },
  };
}

} // namespace

TEST_CASE("actors work in workers under each profile, and a violation is what their link tells") {
  leak_guard guard;
  host_system host;
  caf::scoped_actor self{*host.system};
  for (const auto profile :
       {bulkhead::sandbox_profile::standard, bulkhead::sandbox_profile::strict}) {
    bulkhead::pool p{
      *host.system,
      {.workers = 1, .actor_workers = 1, .sandbox = with_sanitizer_calls({.base = profile})}};
    const auto actor = p.spawn(opener);
    CHECK(ask<int>(self, actor, 21) == 42);
    if (profile == bulkhead::sandbox_profile::standard) {
      CHECK(ask<int>(self, actor, std::string{"/etc/passwd"}) == 0);
      continue;
    }
    std::string why;
    self->request(actor, std::chrono::seconds{20}, std::string{"/etc/passwd"})
      .receive([](int) { FAIL_CHECK("it opened a file"); },
               [&](const caf::error& e) { why = bulkhead::actors::render(*host.system, e); });
    CHECK_MESSAGE(why.find("openat(\"/etc/passwd\")") != std::string::npos, why);
  }
}

TEST_CASE("what actors do is found by an audit, too") {
  leak_guard guard;
  host_system host;
  const auto audit = std::make_shared<bulkhead::sandbox_audit>();
  {
    caf::scoped_actor self{*host.system};
    bulkhead::pool p{*host.system,
                     {.workers = 1,
                      .actor_workers = 1,
                      .sandbox = with_sanitizer_calls(
                        {.base = bulkhead::sandbox_profile::strict, .audit = audit})}};
    CHECK(ask<int>(self, p.spawn(opener), std::string{"/etc/passwd"}) == 0);
  }
  CHECK(audit->smallest().read == std::vector<std::string>{"/etc/passwd"});
}
