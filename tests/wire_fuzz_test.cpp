// ctest-label: fault
// ctest-timeout: 120
// A worker that speaks the wire under the control of chance, end to end: real processes, shared
// memory and sockets. BULKHEAD_TEST_FUZZ_SECONDS lets it go on for longer than three seconds, and
// BULKHEAD_TEST_SEED begins with the script of a run that failed.
#include "tests/support/evil_worker.hpp"
#include "tests/support/hostile_pool.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/own_usage.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace bulkhead::runtime;
using namespace std::chrono_literals;

namespace {

using chance = std::mt19937_64;

std::uint64_t below(chance& dice, std::uint64_t end) { return dice() % end; }

/// What a field of the wire may be lied to be: near what is true, at an end, or anything.
std::uint64_t some_number(chance& dice, std::uint64_t near) {
  switch (below(dice, 6)) {
  case 0:
    return near;
  case 1:
    return near + below(dice, 64);
  case 2:
    return near - below(dice, 64);
  case 3:
    return below(dice, 8);
  case 4:
    return ~std::uint64_t{0} - below(dice, 8);
  default:
    return dice() >> below(dice, 64);
  }
}

position some_position(chance& dice, const evil_worker& w) {
  const auto own = w.own_position();
  switch (below(dice, 4)) {
  case 0:
    return own;
  case 1:
    return make_position(sequence_of(own) + below(dice, 3), below(dice, 3));
  case 2:
    return no_position;
  default:
    return some_number(dice, own);
  }
}

std::vector<std::byte> some_bytes(chance& dice, std::size_t most) {
  std::vector<std::byte> bytes(below(dice, most + 1));
  const bool zeros = below(dice, 2) == 0;
  for (auto& each : bytes)
    each = zeros ? std::byte{0} : static_cast<std::byte>(dice());
  return bytes;
}

/// A well-formed answer whose content is a lie, or perhaps true.
void says(chance& dice, evil_worker& w) {
  const auto kind = static_cast<answer_kind>(below(dice, 12));
  w.say(kind, some_position(dice, w), some_number(dice, 0), some_bytes(dice, 2048));
}

/// One whose form is a lie.
void writes(chance& dice, evil_worker& w) {
  answer_header h{};
  const auto payload = below(dice, 512);
  h.size = static_cast<std::uint32_t>(some_number(dice, round_up_8(sizeof h + payload)));
  h.kind = static_cast<answer_kind>(below(dice, 12));
  h.flags = static_cast<std::uint16_t>(below(dice, 4));
  h.where = some_position(dice, w);
  h.value = some_number(dice, payload);
  h.bytes = static_cast<std::uint32_t>(some_number(dice, payload));
  h.items = static_cast<std::uint32_t>(some_number(dice, 1));
  const auto size = w.write(h, payload);
  w.publish(w.tail() + (below(dice, 4) == 0 ? some_number(dice, size) : size));
}

void scribbles(chance& dice, evil_worker& w) {
  auto& page = w.page();
  switch (below(dice, 6)) {
  case 0:
    page.claim.store(some_number(dice, page.claim.load()));
    break;
  case 1:
    page.w_sleep.store(static_cast<std::uint32_t>(some_number(dice, page.w_sleep.load())));
    break;
  case 2:
    page.progress.store(dice());
    break;
  case 3:
    page.beat.store(dice());
    break;
  case 4: {
    const auto bytes = some_bytes(dice, sizeof page.recorder);
    std::memcpy(static_cast<void*>(&page.recorder), bytes.data(), bytes.size());
    break;
  }
  default:
    *w.at(dice()) = static_cast<std::byte>(dice());
  }
}

void rings(chance& dice, evil_worker&) {
  const std::uint64_t count = some_number(dice, 1);
  [[maybe_unused]] const auto rung = ::write(evil_worker::eventfd(), &count, sizeof count);
}

void sends(chance& dice, evil_worker&) {
  const auto count = below(dice, 8);
  alignas(cmsghdr) std::array<char, CMSG_SPACE(8 * sizeof(int))> control{};
  auto data = some_bytes(dice, 256);
  data.resize(std::max<std::size_t>(1, data.size()));
  iovec part{data.data(), data.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (count != 0) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    auto* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    const std::array<int, 8> fds{};
    std::memcpy(CMSG_DATA(header), fds.data(), count * sizeof(int));
  }
  ::sendmsg(evil_worker::control_socket(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void waits(chance&, evil_worker& w) { w.wait_until_read(); }

constexpr void (*moves[])(chance&, evil_worker&) = {says,      says,  writes, writes,
                                                    scribbles, rings, sends,  waits};

/// Some moves; then it ends in one of the ways in which a worker can, or answers as if nothing had
/// been.
std::string plays(std::uint64_t script) {
  chance dice{script};
  evil_worker w;
  for (auto left = 1 + below(dice, 6); left > 0; --left)
    moves[below(dice, std::size(moves))](dice, w);
  switch (below(dice, 4)) {
  case 0:
    ::raise(SIGKILL);
    break;
  case 1:
    ::raise(SIGSEGV);
    break;
  case 2:
    ::_exit(static_cast<int>(below(dice, 256)));
  default:
    break;
  }
  return std::string(below(dice, 512), 'x');
}

int square(int x) { return x * x; }

std::chrono::seconds given_time() {
  const char* given = std::getenv("BULKHEAD_TEST_FUZZ_SECONDS");
  return std::chrono::seconds{given == nullptr ? 3 : std::atoi(given)};
}

std::uint64_t first_script() {
  const char* given = std::getenv("BULKHEAD_TEST_SEED");
  return given == nullptr ? std::random_device{}() : std::strtoull(given, nullptr, 0);
}

/// One script in the hostile pool, beside tasks of both pools: those of the bystander are right,
/// all others end.
void suffer(pool& hostile, pool& bystander, std::uint64_t script) {
  CAPTURE(script);
  auto evil = hostile.submit(plays, script);
  std::vector<future<int>> near;
  std::vector<future<int>> far;
  for (int i = 0; i < 8; ++i) {
    near.push_back(hostile.submit(square, i));
    far.push_back(bystander.submit(square, i));
  }
  REQUIRE(evil.wait(patience()));
  for (auto& each : near)
    REQUIRE(each.wait(patience()));
  for (int i = 0; i < 8; ++i)
    CHECK(far[static_cast<std::size_t>(i)].get() == i * i);
  if (!evil.outcome().has_value())
    CHECK(to_string(evil.outcome().failure()).size() < 100'000);
}

/// A pool that scripts may break: by deaths that no task explains, where they come too often.
class hostile_pool {
public:
  hostile_pool() { make(); }

  void suffer_by(pool& bystander, std::uint64_t script) {
    try {
      suffer(*pool_, bystander, script);
    } catch (const pool_broken&) { // in the middle of it
    }
    if (is_broken())
      make();
  }
  std::uint64_t bad_messages() const { return before_ + pool_->stats().bad_messages; }

private:
  void make() {
    auto options = two_workers();
    options.restart.max_restarts = 30;
    options.restart.backoff_initial = 1ms;
    options.restart.backoff_max = 1ms;
    options.task_timeout = 5s; // of one that has lied its answer away
    options.grace = 1ms;
    options.output = output_mode::null;
    if (pool_)
      before_ += pool_->stats().bad_messages;
    pool_.emplace(options);
  }

  bool is_broken() {
    try {
      return pool_->apply(square, 2) != 4;
    } catch (const pool_broken&) {
      return true;
    } catch (const error&) { // by what the script has left in the ring
      return false;
    }
  }

  std::optional<pool> pool_;
  std::uint64_t before_ = 0;
};

void denies_to_have_begun() {
  const evil_worker w;
  w.page().claim.store(make_claim(w.own_position(), claim_phase::claimed));
  ::raise(SIGKILL);
}

} // namespace

TEST_CASE("a task whose worker denies to have begun it, whenever it runs, ends all the same") {
  const leak_guard guard;
  pool p{two_workers()};
  auto evil = p.submit(denies_to_have_begun);
  REQUIRE(evil.wait(patience()));
  CHECK(evil.outcome().failure().kind == failure_kind::worker_died);
  CHECK(evil.outcome().failure().may_have_executed);
  CHECK(p.apply(square, 3) == 9);
}

TEST_CASE("whatever a worker says on the wire, each task ends, and other workers do not notice") {
  const leak_guard guard;
  hostile_pool hostile;
  pool bystander{{.workers = 1}};
  CHECK(bystander.apply(square, 2) == 4);
  const auto sibling = bystander.workers().at(0).pid;
  const auto descriptors = own_descriptors();
  auto script = first_script();
  MESSAGE("the first script is " << script);
  const auto end = std::chrono::steady_clock::now() + given_time();
  std::size_t played = 0;
  do {
    hostile.suffer_by(bystander, script++);
    ++played;
  } while (std::chrono::steady_clock::now() < end);
  MESSAGE(played << " scripts, " << hostile.bad_messages() << " bad messages");
  CHECK(hostile.bad_messages() != 0);
  CHECK(bystander.stats().restarts == 0);
  CHECK(bystander.workers().at(0).pid == sibling);
  CHECK(own_descriptors() <= descriptors + 16);
}
