// A task library: runs a Lua script of a stranger and gives what it returns. The script has all of
// Lua's library, files and programs among it: what it may do with them is the sandbox's to say, not
// ours.
//
//     bulkhead run examples/lua_scripts/lua_scripts.json

#include <bulkhead/task.hpp>

#include <lua.hpp>

#include <memory>
#include <new>
#include <stdexcept>
#include <string>

namespace {

std::string text_at_top(lua_State* lua) {
  std::size_t bytes = 0;
  const char* text = luaL_tolstring(lua, -1, &bytes);
  return {text, bytes};
}

std::string run_script(const std::string& script) {
  const std::unique_ptr<lua_State, decltype(&lua_close)> lua{luaL_newstate(), &lua_close};
  if (!lua)
    throw std::bad_alloc();
  luaL_openlibs(lua.get());
  const bool failed = luaL_dostring(lua.get(), script.c_str());
  if (failed)
    throw std::runtime_error(text_at_top(lua.get()));
  return lua_gettop(lua.get()) == 0 ? "nothing" : text_at_top(lua.get());
}

} // namespace

BULKHEAD_TASK("lua.run", run_script)
