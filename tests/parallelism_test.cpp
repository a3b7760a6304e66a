// ctest-label: unit
#include <bulkhead/parallelism.hpp>

#include "runtime/system/cpu_quota.hpp"

#include <doctest/doctest.h>

#include <sched.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using bulkhead::runtime::cpu_quota;
namespace fs = std::filesystem;

namespace {

/// A made-up /proc and cgroup file system.
class cgroup_tree {
public:
  cgroup_tree() { fs::create_directories(root_); }
  ~cgroup_tree() { fs::remove_all(root_); }
  cgroup_tree(const cgroup_tree&) = delete;
  cgroup_tree& operator=(const cgroup_tree&) = delete;

  void write(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream{root_ / path} << text;
  }
  void mount(const std::string& root, const std::string& type, const std::string& options) const {
    std::ofstream{root_ / "mountinfo", std::ios::app}
      << "31 23 0:28 " << root << ' ' << (root_ / type).string() << " rw,relatime shared:9 - "
      << type << " cgroup rw," << options << '\n';
  }
  double quota(double limit) const { return cpu_quota(root_ / "mountinfo", root_ / "own", limit); }

private:
  fs::path root_ = fs::temp_directory_path() / ("bulkhead-cgroup-" + std::to_string(::getpid()));
};

} // namespace

TEST_CASE("parallelism is what affinity allows, and at least 1") {
  const auto all = bulkhead::available_parallelism();
  CHECK(all >= 1);
  cpu_set_t before;
  REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
  CHECK(all <= static_cast<std::size_t>(CPU_COUNT(&before)));
  cpu_set_t one;
  CPU_ZERO(&one);
  for (unsigned cpu = 0; CPU_COUNT(&one) == 0; ++cpu)
    if (CPU_ISSET(cpu, &before))
      CPU_SET(cpu, &one);
  REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK(bulkhead::available_parallelism() == 1);
  ::sched_setaffinity(0, sizeof before, &before);
}

TEST_CASE("a version 2 quota limits, on every level up to the root") {
  const cgroup_tree tree;
  tree.mount("/", "cgroup2", "nsdelegate");
  tree.write("own", "0::/outer/inner\n");
  CHECK(tree.quota(64) == 64); // no files
  tree.write("cgroup2/outer/inner/cpu.max", "max 100000\n");
  CHECK(tree.quota(64) == 64);
  tree.write("cgroup2/outer/cpu.max", "250000 100000\n");
  CHECK(tree.quota(64) == 2.5);
  tree.write("cgroup2/outer/inner/cpu.max", "50000 100000\n");
  CHECK(tree.quota(64) == 0.5);
  CHECK(tree.quota(0.25) == 0.25);
}

TEST_CASE("a version 1 quota limits, with other controllers mounted beside") {
  const cgroup_tree tree;
  tree.mount("/", "cgroup", "cpu,cpuacct");
  tree.write("own", "5:memory:/elsewhere\n4:cpu,cpuacct:/service\n0::/\n");
  tree.write("cgroup/service/cpu.cfs_quota_us", "-1\n");
  tree.write("cgroup/service/cpu.cfs_period_us", "100000\n");
  CHECK(tree.quota(64) == 64);
  tree.write("cgroup/service/cpu.cfs_quota_us", "300000\n");
  CHECK(tree.quota(64) == 3);
}

TEST_CASE("in a container the mount shows only its own part") {
  const cgroup_tree tree;
  tree.mount("/docker/abc", "cgroup2", "nsdelegate");
  tree.write("own", "0::/docker/abc\n");
  tree.write("cgroup2/cpu.max", "200000 100000\n");
  CHECK(tree.quota(64) == 2);
}

TEST_CASE("files that are missing, empty or nonsense limit nothing") {
  const cgroup_tree tree;
  CHECK(tree.quota(8) == 8);
  tree.write("mountinfo", "\n - \nx\n31 23 0:28 / - cgroup2\n");
  tree.write("own", "\n:\n0\n0::\n");
  CHECK(tree.quota(8) == 8);
  tree.mount("/", "cgroup2", "rw");
  tree.write("cgroup2/cpu.max", "");
  CHECK(tree.quota(8) == 8);
  tree.write("cgroup2/cpu.max", "100000 0\n");
  CHECK(tree.quota(8) == 8);
  tree.write("cgroup2/cpu.max", "-5 100000\n");
  CHECK(tree.quota(8) == 8);
}
