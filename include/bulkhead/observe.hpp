#pragma once

/// What goes on in a pool: live, afterwards, and from a browser. The library bulkhead::observe.

#include <bulkhead/observe/attachable.hpp> // IWYU pragma: export
#include <bulkhead/observe/report.hpp>     // IWYU pragma: export
#include <bulkhead/observe/snapshot.hpp>   // IWYU pragma: export
#include <bulkhead/observe/trace.hpp>      // IWYU pragma: export
#include <bulkhead/observe/watch.hpp>      // IWYU pragma: export
#include <bulkhead/observe/web_page.hpp>   // IWYU pragma: export
