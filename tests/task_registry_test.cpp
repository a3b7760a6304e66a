#include <bulkhead/error.hpp>
#include <bulkhead/library.hpp>
#include <bulkhead/task.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace {

using namespace bulkhead::detail;

struct part {
  std::string name;
  int amount = 0;
  std::vector<part> parts;
};
template <class Inspector>
bool inspect(Inspector& f, part& x) {
  return f.object(x).fields(
    f.field("name", x.name),
    f.field("amount", x.amount).fallback(1).invariant([](int n) { return n >= 0; }),
    f.field("parts", x.parts).fallback(std::vector<part>()));
}

struct opaque { // no file can hold it
  int number;
};

int total(const part& p) {
  int sum = p.amount;
  for (const auto& each : p.parts)
    sum += total(each);
  return sum;
}

value text(const char* s) { return value(std::string(s)); }
value number(std::int64_t n) { return value(n); }
using list = value::array;
using object = value::object;

/// Calls a task by name as the command does.
value run(std::string_view name, const list& arguments) {
  const auto& task = expect_task(name);
  buffer callable, encoded, result;
  task.encode_callable(callable);
  task.encode_values(encoded, arguments);
  reader callable_in{callable.bytes()};
  reader arguments_in{encoded.bytes()};
  task.stub(callable_in, arguments_in, result);
  return task.result_to_value(result.bytes());
}

template <class F>
std::string refusal(F f) {
  try {
    f();
  } catch (const bulkhead::config_error& e) {
    return e.what();
  }
  return "no error";
}

} // namespace

BULKHEAD_TASK("total", total)
BULKHEAD_TASK("nothing", []() noexcept {})
BULKHEAD_TASK("join", [](std::string_view a, const std::filesystem::path& b) {
  return std::string(a) + b.native();
})
BULKHEAD_TASK("byte", [](unsigned char b) { return b; })
BULKHEAD_TASK("numbers", [](double d, std::optional<int> i, std::chrono::milliseconds m, bool b) {
  return std::tuple(d, i, m, b);
})
BULKHEAD_TASK("lists", [](std::map<std::string, std::vector<int>> m, std::pair<int, char> p,
                          std::set<std::string> s) { return std::tuple(m, p, s); })
BULKHEAD_TASK("opaque", [](int n) { return opaque{n}; })
BULKHEAD_TASK("open", [](opaque o) { return o.number; })
BULKHEAD_TASK("either", [](bool b) {
  return b ? std::variant<int, std::string>("yes") : std::variant<int, std::string>(0);
})
BULKHEAD_TASK("grow", [](part p) { return p.amount += 1, p; })

TEST_CASE("a task is called by its name with values of a file") {
  CHECK(run("nothing", {}) == value());
  CHECK(run("join", {text("a"), text("/b")}) == text("a/b"));
  CHECK(run("byte", {number(255)}) == value(std::uint64_t{255}));
  CHECK(run("numbers", {number(2), value(), value(0.25), value(true)})
        == value(list{value(2.0), value(), value(0.25), value(true)}));
  const value map(object{{"a", value(list{number(1), number(2)})}});
  const value pair(list{number(1), text("x")});
  const value set(list{text("a"), text("b")});
  CHECK(run("lists", {map, pair, set}) == value(list{map, pair, set}));
  CHECK(run("either", {value(true)}) == text("yes"));
}

TEST_CASE("a type with inspect is an object by field names") {
  const value leaf(object{{"name", text("leaf")}, {"amount", number(5)}});
  const value root(object{{"name", text("root")}, {"parts", value(list{leaf, leaf})}});
  CHECK(run("total", {root}) == number(11));
  CHECK(run("grow", {leaf})
        == value(object{{"name", text("leaf")}, {"amount", number(6)}, {"parts", value(list{})}}));
}

TEST_CASE("a result that no report can hold is given by its size") {
  CHECK(run("opaque", {number(3)}) == text("<4 bytes>"));
}

TEST_CASE("wrong arguments are refused with place, expected and given") {
  CHECK(refusal([] { run("byte", {}); }) == "expected 1 argument, got 0");
  CHECK(refusal([] { run("byte", {number(256)}); })
        == "argument 1: expected a whole number from 0 to 255, got number 256");
  CHECK(refusal([] { run("byte", {value(1.5)}); })
        == "argument 1: expected a whole number from 0 to 255, got number 1.5");
  CHECK(refusal([] {
          run("join", {text("a"), number(1)});
        })
        == "argument 2: expected a path, got number 1");
  CHECK(refusal([] {
          run("numbers", {number(1), value(), value(1e300), value(true)});
        }).starts_with("argument 3: expected a number of seconds that fits"));
  CHECK(refusal([] {
          run("lists", {value(object{{"a", value(list{text("x")})}}), value(), value()});
        }).starts_with("argument 1.a[0]: expected a whole number"));
  CHECK(refusal([] {
          run("open", {number(1)});
        }).ends_with("cannot be written in a configuration file"));
}

TEST_CASE("wrong objects are refused with the member") {
  CHECK(refusal([] { run("total", {value(object{})}); })
        == "argument 1: member \"name\" is missing");
  CHECK(refusal([] {
          run("total", {value(object{{"name", text("a")}, {"size", number(1)}})});
        })
        == "argument 1: unknown member \"size\"");
  CHECK(refusal([] {
          run("total", {value(object{{"name", text("a")}, {"amount", number(-1)}})});
        }).starts_with("argument 1: refused by the inspect() of"));
  const value bad(object{{"name", number(7)}});
  CHECK(refusal([&] {
          run("total", {value(object{{"name", text("a")}, {"parts", value(list{bad})}})});
        })
        == "argument 1.parts[0].name: expected a text, got number 7");
}

TEST_CASE("a task tells its types") {
  const auto& task = expect_task("join");
  CHECK(task.signature() == "std::string join(std::string, std::filesystem::path)");
  REQUIRE(task.arguments.size() == 2);
  CHECK(*task.arguments[0] == typeid(std::string));
  CHECK(*task.result == typeid(std::string));
  CHECK(task.place().find("task_registry_test.cpp:") != std::string::npos);
}

TEST_CASE("a task is called with typed objects and hands out a typed result") {
  const auto& task = expect_task("join");
  const std::string first = "a";
  const std::filesystem::path second = "b";
  const std::array<const void*, 2> objects{&first, &second};
  buffer callable, encoded, result;
  task.encode_callable(callable);
  task.encode_objects(encoded, objects);
  reader callable_in{callable.bytes()};
  reader arguments_in{encoded.bytes()};
  task.stub(callable_in, arguments_in, result);
  std::string received;
  task.receive_result(
    result.bytes(),
    [](void* to, void* from) {
      *static_cast<std::string*>(to) = std::move(*static_cast<std::string*>(from));
    },
    &received);
  CHECK(received == "ab");
}

TEST_CASE("an unknown name is refused with its neighbours") {
  CHECK(find_task("totl") == nullptr);
  CHECK(refusal([] { expect_task("totl"); })
        == "no task is named \"totl\"; did you mean \"total\"?");
  CHECK(refusal([] { expect_task("something else"); })
        == "no task is named \"something else\"; is its task library loaded?");
}

TEST_CASE("a name that is there twice is refused with both places when it is looked up") {
  {
    const task_registration first("doubled", &total, "a.cpp", 3);
    const task_registration second("doubled", &total, "b.cpp", 7);
    const std::string expected =
      "task name \"doubled\" is registered twice: at a.cpp:3 and at b.cpp:7; rename one of them";
    CHECK(refusal([] { find_task("doubled"); }) == expected);
    CHECK(refusal([] { all_tasks(); }) == expected);
    CHECK(find_task("total") != nullptr);
  }
  CHECK(find_task("doubled") == nullptr);
}

TEST_CASE("the tasks of a library are there once it is loaded") {
  CHECK(find_task("library_twice") == nullptr);
  const auto path = std::string(BULKHEAD_TEST_MODULE_DIR) + "/task_library.so";
  bulkhead::load_library(path);
  bulkhead::load_library(path);
  CHECK(run("library_twice", {number(21)}) == number(42));
  CHECK(run("library_greet", {text("you")}) == text("hello you"));
  const auto all = all_tasks();
  CHECK(std::ranges::is_sorted(all, {}, &task_entry::name));
}

TEST_CASE("a library that does not load is refused with path and reason") {
  CHECK(refusal([] {
          bulkhead::load_library("no/such.so");
        }).starts_with("task library no/such.so does not exist"));
  CHECK(refusal([] {
          bulkhead::load_library("/proc/self/cmdline");
        }).starts_with("task library /proc/self/cmdline cannot be loaded: "));
}
