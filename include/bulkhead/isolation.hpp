#pragma once

#include <string>

namespace bulkhead {

/// One protection of workers: whether it was asked for, whether it works, and why not.
/// pool::isolation() lists all.
struct isolation_feature {
  std::string name;
  bool requested = false;
  bool active = false;
  std::string why_not; ///< empty when active
};

} // namespace bulkhead
