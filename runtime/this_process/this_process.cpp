#include "runtime/this_process/this_process.hpp"

#include <bulkhead/error.hpp>

namespace bulkhead::runtime {

this_process& this_process::get() {
  static auto& self = *new this_process; // never destroyed: used during static destruction
  return self;
}

void this_process::require_init() {
  if (get().kind == role::not_initialised)
    throw config_error("bulkhead is not initialised: make `bulkhead::init(argc, argv);` the first "
                       "line of main");
}

} // namespace bulkhead::runtime
