#pragma once

#include "tools/system/system_plan.hpp"

#include <string>

namespace bulkhead::systems {

/// Adds problems at places of the file, in the words of all checks.
class complaints {
public:
  complaints(const document& from, problems& found) : from_(from), found_(found) {}

  /// "PATH is VALUE, WHY".
  void add(const pointer& at, const std::string& why, std::string expected,
           std::string remedy) const;
  bool written(const pointer& at) const {
    return from_.root.contains(at) && !from_.root.at(at).is_null();
  }
  const document& from() const noexcept { return from_; }

private:
  const document& from_;
  problems& found_;
};

/// Names that nobody has or two have, circles, and options that contradict each other or have no
/// effect. Looks at no library and at no disk.
void check_structure(const complaints& to, const system_plan& plan);
void check_script(const complaints& to, const system_plan& plan);

/// What each pool says of its options.
void check_pools(const complaints& to, const system_plan& plan);

/// Behaviours and tasks of the libraries, which are loaded: they exist, and what the file gives
/// them is of their types.
void check_types(const complaints& to, const system_plan& plan);

} // namespace bulkhead::systems
