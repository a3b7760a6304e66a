#pragma once

#include <string>
#include <typeinfo>

namespace bulkhead::detail {

/// The type's name as C++ spells it, for error texts. Slow.
std::string type_name(const std::type_info& type);

template <class T>
std::string type_name() {
  return type_name(typeid(T));
}

} // namespace bulkhead::detail
