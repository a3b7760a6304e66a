#include "runtime/system/cpu_quota.hpp"

#include <algorithm>
#include <fstream>
#include <optional>
#include <string_view>
#include <vector>

namespace bulkhead::runtime {

namespace {

// One line of /proc/self/mountinfo for a cgroup file system.
struct cgroup_mount {
  std::string root;  ///< the cgroup that is mounted
  std::string point; ///< where
  bool unified = false;
};

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < line.size();) {
    const auto end = std::min(line.find(' ', at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

bool lists(std::string_view options, std::string_view wanted) {
  while (!options.empty()) {
    const auto comma = std::min(options.find(','), options.size());
    if (options.substr(0, comma) == wanted)
      return true;
    options.remove_prefix(std::min(comma + 1, options.size()));
  }
  return false;
}

std::vector<cgroup_mount> cgroup_mounts(const std::string& mountinfo) {
  std::vector<cgroup_mount> found;
  std::ifstream file{mountinfo};
  for (std::string line; std::getline(file, line);) {
    const auto words = words_of(line);
    const auto dash = std::ranges::find(words, "-");
    if (words.size() < 5 || words.end() - dash < 4)
      continue;
    const auto& type = dash[1];
    if (type == "cgroup2" || (type == "cgroup" && lists(dash[3], "cpu")))
      found.push_back({words[3], words[4], type == "cgroup2"});
  }
  return found;
}

// The process's cgroup in the hierarchy, from a line "7:cpu,cpuacct:/path" or "0::/path".
std::optional<std::string> own_cgroup(const std::string& cgroup, bool unified) {
  std::ifstream file{cgroup};
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos)
      continue;
    const auto controllers = std::string_view{line}.substr(first + 1, second - first - 1);
    if (unified ? controllers.empty() : lists(controllers, "cpu"))
      return line.substr(second + 1);
  }
  return {};
}

// CPUs that one cgroup directory grants; empty: no limit, or no such files.
std::optional<double> quota_in(const std::string& directory, bool unified) {
  double quota = 0;
  double period = 0;
  if (unified) {
    std::ifstream{directory + "/cpu.max"} >> quota >> period; // "max 100000" fails to parse
  } else {
    std::ifstream{directory + "/cpu.cfs_quota_us"} >> quota;
    std::ifstream{directory + "/cpu.cfs_period_us"} >> period;
  }
  if (quota <= 0 || period <= 0)
    return {};
  return quota / period;
}

// In a container the mount shows the own part only, while the path in /proc may begin at the host's
// root.
// Every cgroup on the way to the root limits too.
double smallest_quota(const cgroup_mount& mount, std::string path, double limit) {
  const auto behind = path.size() > mount.root.size() ? path[mount.root.size()] : '/';
  if (mount.root != "/" && path.starts_with(mount.root) && behind == '/')
    path.erase(0, mount.root.size()); // in a container the mount shows only our part
  for (;;) {
    if (const auto quota = quota_in(mount.point + path, mount.unified))
      limit = std::min(limit, *quota);
    const auto slash = path.rfind('/');
    if (slash == std::string::npos || path.empty())
      return limit;
    path.erase(slash);
  }
}

} // namespace

double cpu_quota(const std::string& mountinfo, const std::string& cgroup, double limit) {
  for (const auto& mount : cgroup_mounts(mountinfo))
    if (const auto path = own_cgroup(cgroup, mount.unified))
      limit = smallest_quota(mount, *path, limit);
  return limit;
}

} // namespace bulkhead::runtime
