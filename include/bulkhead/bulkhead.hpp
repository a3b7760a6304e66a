#pragma once

/// All of Bulkhead. Programs without actors may prefer <bulkhead/tasks.hpp>, which compiles faster.

#include <bulkhead/actor.hpp>
#include <bulkhead/spawn_pool.hpp>
#include <bulkhead/tasks.hpp>
