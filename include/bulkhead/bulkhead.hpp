#pragma once

/// All of Bulkhead. Programs without actors may prefer <bulkhead/tasks.hpp>, which compiles faster.

#include <bulkhead/actor.hpp>
#include <bulkhead/keep_state.hpp>
#include <bulkhead/names.hpp>
#include <bulkhead/spawn_pool.hpp>
#include <bulkhead/spawn_pool_info.hpp>
#include <bulkhead/supervised_work.hpp>
#include <bulkhead/supervisor.hpp>
#include <bulkhead/tasks.hpp>
