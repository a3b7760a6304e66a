#include "tests/support/history.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <new>
#include <system_error>

namespace bulkhead::tests {

struct witness::record {
  std::atomic<std::uint32_t> starts;
  std::atomic<std::uint32_t> ends;
  std::atomic<std::int64_t> last_start;
};

struct witness::memory {
  std::atomic<std::uint32_t> taken; ///< arrivals
  std::uint32_t padding;
  std::uint64_t items;
  record first; ///< the others follow
};

namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::int64_t now_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

void* map_file(const std::string& path, std::size_t bytes) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    fail("open " + path);
  if (bytes != 0 && ::ftruncate(fd, static_cast<off_t>(bytes)) != 0)
    fail("ftruncate " + path);
  struct stat status {};
  if (::fstat(fd, &status) != 0)
    fail("fstat " + path);
  void* at = ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ | PROT_WRITE,
                    MAP_SHARED, fd, 0);
  ::close(fd);
  if (at == MAP_FAILED)
    fail("mmap " + path);
  return at;
}

void* of_worker = nullptr;

} // namespace

witness::witness(std::size_t items) : items_(items) {
  const auto* base = std::getenv("TMPDIR");
  directory_ = std::string(base != nullptr ? base : "/tmp") + "/bulkhead-witness-XXXXXX";
  if (::mkdtemp(directory_.data()) == nullptr)
    fail("mkdtemp");
  path_ = directory_ + "/items";
  bytes_ = sizeof(memory) + items * sizeof(record);
  map_ = new (map_file(path_, bytes_)) memory{};
  map_->items = items;
}

witness::~witness() {
  ::munmap(map_, bytes_);
  ::unlink(path_.c_str());
  ::rmdir(directory_.c_str());
}

const witness::record& witness::at(std::size_t item) const noexcept { return (&map_->first)[item]; }

unsigned witness::starts(std::size_t item) const noexcept { return at(item).starts.load(); }
unsigned witness::ends(std::size_t item) const noexcept { return at(item).ends.load(); }
std::int64_t witness::last_start(std::size_t item) const noexcept {
  return at(item).last_start.load();
}

void witness::forget() noexcept {
  map_->taken = 0;
  for (std::size_t i = 0; i < items_; ++i) {
    auto& r = (&map_->first)[i];
    r.starts = r.ends = 0;
    r.last_start = 0;
  }
}

void witness::open(const std::string& path) { of_worker = map_file(path, 0); }

void witness::start(std::size_t item) noexcept {
  auto& r = (&static_cast<memory*>(of_worker)->first)[item];
  r.last_start = now_ns();
  ++r.starts;
}

void witness::end(std::size_t item) noexcept {
  ++(&static_cast<memory*>(of_worker)->first)[item].ends;
}

std::uint32_t witness::arrival() noexcept {
  return static_cast<memory*>(of_worker)->taken.fetch_add(1);
}

void history::submitted(std::size_t item, std::size_t attempts) {
  const std::lock_guard lock{mutex_};
  auto& e = entries_[item];
  ++e.submits;
  e.attempts = attempts;
}

void history::note(std::size_t item, const failure* f) {
  const auto now = now_ns();
  const std::lock_guard lock{mutex_};
  auto& e = entries_[item];
  ++e.outcomes;
  e.when = now;
  e.value = f == nullptr;
  if (f != nullptr) {
    e.kind = f->kind;
    e.may_have_executed = f->may_have_executed;
  }
}

std::string history::violations(const witness& seen) const {
  const std::lock_guard lock{mutex_};
  std::string all;
  int lines = 0;
  const auto require = [&](bool kept, std::size_t item, const std::string& what) {
    if (!kept && ++lines <= 20)
      all += "item " + std::to_string(item) + ": " + what + '\n';
  };
  for (const auto& [item, e] : entries_) {
    const auto starts = seen.starts(item);
    require(e.submits == 1, item, "submitted " + std::to_string(e.submits) + " times");
    require(e.outcomes == 1, item, std::to_string(e.outcomes) + " outcomes");
    require(starts <= e.attempts, item, "started " + std::to_string(starts) + " times");
    require(seen.last_start(item) <= e.when, item, "started after its outcome");
    if (e.value)
      require(seen.ends(item) >= 1, item, "has a value that nobody computed");
    else if (e.kind == failure_kind::worker_died && taker_ == taker::any_worker)
      require(e.may_have_executed, item, "failed by a death although it never started");
    if (!e.value && !e.may_have_executed)
      require(starts == 0, item, "ran and says that it did not");
  }
  return all;
}

std::size_t history::count(failure_kind kind) const {
  const std::lock_guard lock{mutex_};
  std::size_t n = 0;
  for (const auto& [item, e] : entries_)
    n += !e.value && e.outcomes != 0 && e.kind == kind;
  return n;
}

std::size_t history::values() const {
  const std::lock_guard lock{mutex_};
  std::size_t n = 0;
  for (const auto& [item, e] : entries_)
    n += e.value;
  return n;
}

std::size_t history::deaths_without_start(const witness& seen) const {
  const std::lock_guard lock{mutex_};
  std::size_t n = 0;
  for (const auto& [item, e] : entries_)
    n += !e.value && e.kind == failure_kind::worker_died && seen.starts(item) == 0;
  return n;
}

} // namespace bulkhead::tests
