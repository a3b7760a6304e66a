#include <bulkhead/testing/leak_guard.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include <unistd.h>

namespace bulkhead::testing {

namespace {

namespace fs = std::filesystem;
using holdings = std::map<std::string, std::vector<std::string>>;

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  std::replace(line.begin(), line.end(), '\0', ' ');
  return line;
}

/// "socket:[4711]" is "socket:": an inode number names one incarnation only.
std::string without_inode(std::string target) {
  const auto bracket = target.find(":[");
  if (bracket != std::string::npos && target.back() == ']')
    target.erase(bracket + 1);
  return target;
}

/// Entries of a directory in /proc or /dev; a process that ends meanwhile has none.
template <class Visit>
void for_each_entry(const fs::path& directory, Visit visit) {
  std::error_code error;
  fs::directory_iterator entry(directory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error))
    visit(entry->path());
}

void add_children(holdings& found, const std::string& pid, int depth) {
  for_each_entry("/proc/" + pid + "/task", [&](const fs::path& thread) {
    std::ifstream list(thread / "children");
    for (std::string child; list >> child;) {
      const fs::path directory = "/proc/" + child;
      const auto stat = first_line(directory / "stat");
      if (stat.size() <= child.size())
        continue; // it was reaped meanwhile
      found["process of depth " + std::to_string(depth)].push_back(
        child + " " + stat.substr(child.size() + 1, 24) + "... "
        + first_line(directory / "cmdline"));
      add_children(found, child, depth + 1);
    }
  });
}

void add_descriptors(holdings& found) {
  const fs::path own = "/proc/" + std::to_string(getpid()) + "/fd";
  for_each_entry(own, [&](const fs::path& descriptor) {
    std::error_code error;
    const auto target = fs::read_symlink(descriptor, error).string();
    // The iterator's own descriptor is gone when this function returns.
    if (!error && target != own.string())
      found["descriptor of " + without_inode(target)].push_back(descriptor.filename().string()
                                                                + " -> " + target);
  });
}

void add_mappings(holdings& found) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const auto name = line.find("/memfd:");
    if (name != std::string::npos)
      found["mapping of " + line.substr(name)].push_back(line);
  }
}

void add_threads(holdings& found) {
  for_each_entry("/proc/self/task", [&](const fs::path& thread) {
    found["thread " + first_line(thread / "comm")].push_back(thread.filename().string());
  });
}

void add_shared_memory(holdings& found) {
  for_each_entry("/dev/shm", [&](const fs::path& file) {
    found["/dev/shm entry " + file.filename().string()].push_back(file.string());
  });
}

} // namespace

leak_guard::leak_guard() : before_(current()) {}

std::string leak_guard::leaked(std::chrono::nanoseconds patience) const {
  constexpr std::chrono::milliseconds pause{2};
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    auto report = difference(before_, current());
    if (report.empty() || std::chrono::steady_clock::now() >= deadline)
      return report;
    std::this_thread::sleep_for(pause); // /proc tells of no change
  }
}

leak_guard::holdings leak_guard::current() {
  holdings found;
  add_children(found, std::to_string(getpid()), 1);
  add_descriptors(found);
  add_mappings(found);
  add_threads(found);
  add_shared_memory(found);
  return found;
}

std::string leak_guard::difference(const holdings& before, const holdings& now) {
  std::string report;
  for (const auto& [kind, entries] : now) {
    const auto old = before.find(kind);
    const std::size_t allowed = old == before.end() ? 0 : old->second.size();
    if (entries.size() <= allowed)
      continue;
    report += kind + ": " + std::to_string(entries.size()) + " now, " + std::to_string(allowed)
              + " before\n";
    for (const auto& entry : entries)
      report += "    " + entry + "\n";
  }
  return report;
}

} // namespace bulkhead::testing
