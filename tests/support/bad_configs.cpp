#include "tests/support/bad_configs.hpp"

namespace bulkhead::testing {

namespace {

using namespace std::string_literals;

std::string nested(std::size_t depth) {
  return R"({"task": "bulkhead.echo", "args": )" + std::string(depth, '[') + std::string(depth, ']') + "}";
}

/// A job that is good but for one member.
std::string with(const std::string& member) {
  return "{\n  \"task\": \"bulkhead.echo\",\n  \"input\": {\"list\": [\"a\"]},\n  " + member + "\n}\n";
}

std::string pool(const std::string& member) { return with("\"pool\": {" + member + "}"); }

std::vector<bad_config> syntax() {
  return {
    {"empty file", "", "1:1", {"nothing in it", "a JSON object", "reference.jsonc"}},
    {"only a comment", "// nothing\n", "2:1", {"nothing in it", "a JSON object"}},
    {"text instead of an object", "\"hello\"", "1:1", {"\"hello\"", "a JSON object", "\"task\""}},
    {"list instead of an object", "[1]", "1:1", {"[1]", "a JSON object"}},
    {"missing brace", "{\n  \"task\": \"x\"\n", "1:1", {"never closed", "} before the end", "write }"}},
    {"missing bracket", "{\"args\": [1, 2", "1:10", {"this [ is never closed", "write ]"}},
    {"missing comma", "{\n  \"task\": \"x\"\n  \"args\": []\n}", "3:3", {"'\"' stands after a value", "a comma or }", "write a comma"}},
    {"missing colon", "{\"task\" \"x\"}", "1:9", {"stands after the key \"task\"", "a colon", "\"task\": value"}},
    {"comma at the end of an object", "{\"task\": \"x\",\n}", "1:13", {"a comma stands before the closing }", "remove this comma"}},
    {"comma at the end of a list", "{\"args\": [1,]}", "1:12", {"a comma stands before the closing ]", "remove this comma"}},
    {"comma without a value", "{\"args\": [,1]}", "1:11", {"a value is missing", "a value", "remove the comma"}},
    {"more after the end", "{\"task\": \"x\"} {", "1:15", {"'{' follows after the end", "nothing more", "remove it"}},
    {"single quotes around a key", "{'task': 1}", "1:2", {"task", "double quotes", "write \"task\""}},
    {"single quotes around a value", "{\"task\": 'x'}", "1:10", {"single quotes", "double quotes"}},
    {"key without quotes", "{task: 1}", "1:2", {"the key task has no double quotes", "write \"task\""}},
    {"value without quotes", "{\"task\": echo}", "1:10", {"echo is not a value", "text in double quotes", "write \"echo\""}},
    {"Python's True", "{\"map\": {\"ordered\": True}}", "1:21", {"True is not a value", "did you mean true?"}},
    {"text without an end", "{\"task\": \"x\n}", "1:10", {"does not end on its line", "closing double quote"}},
    {"unknown escape", "{\"task\": \"a\\x\"}", "1:12", {"\\x is no escape", "\\\\ for a backslash"}},
    {"half a surrogate pair", "{\"task\": \"\\ud800\"}", "1:11", {"surrogate", "the character itself"}},
    {"escaped NUL", "{\"task\": \"\\u0000\"}", "1:11", {"\\u0000", "without NUL", "remove it"}},
    {"tab in a text", "{\"task\": \"a\tb\"}", "1:12", {"control character", "write \\t"}},
    {"comment without an end", "{ /* \"task\": 1 }", "1:3", {"this comment has no end", "write */"}},
    {"hexadecimal number", "{\"pool\": {\"workers\": 0x10}}", "1:22", {"0x10 is a hexadecimal number", "decimal"}},
    {"underscores in a number", "{\"pool\": {\"workers\": 1_000}}", "1:22", {"1_000 has underscores", "remove"}},
    {"unit without quotes", "{\"pool\": {\"grace\": 10ms}}", "1:20", {"10ms has a unit", "write \"10ms\""}},
    {"leading zero", "{\"pool\": {\"workers\": 007}}", "1:22", {"007", "a number such as 7", "no leading zeros"}},
    {"NaN", "{\"pool\": {\"grace\": NaN}}", "1:20", {"NaN", "a finite number"}},
    {"Infinity", "{\"pool\": {\"grace\": -Infinity}}", "1:20", {"-Infinity", "a finite number", "leave the option out"}},
    {"NUL byte", "{\"task\":\0 1}"s, "1:9", {"byte 0x00 is a NUL byte", "UTF-8", "remove"}},
    {"invalid UTF-8", "{\"task\": \"\xff\"}", "1:11", {"byte 0xff is not valid UTF-8", "iconv"}},
    {"overlong UTF-8", "{\"task\": \"\xc0\xaf\"}", "1:11", {"byte 0xc0", "UTF-8"}},
    {"UTF-16", "\xff\xfe{\0}\0"s, "1:1", {"byte 0xff", "a text file in UTF-8"}},
    {"nesting deeper than 32", nested(40), "", {"deeper than 32", "write the value flatter"}},
    {"nesting of 200 000", nested(200'000), "", {"deeper than 32", "at most 32"}},
    {"1 MiB and more", "{\"task\": \"" + std::string(1 << 20, 'x') + "\"}", "", {"larger than 1MiB", "at most 1 MiB", "lines"}},
    {"number of 400 digits", pool("\"grace\": 1e400"), "4:21", {"pool.grace is 1e400", "too large", "a smaller number"}},
    {"2^63", pool("\"workers\": 9223372036854775808"), "4:23", {"pool.workers is 9223372036854775808", "64 bits", "9223372036854775807"}},
  };
}

std::vector<bad_config> keys() {
  return {
    {"no task", "{\n  \"input\": {\"list\": [1]}\n}", "1:1", {"task is missing", "the name of a task", "\"task\": \"bulkhead.echo\""}},
    {"unknown key", with("\"pol\": {}"), "4:3", {"pol is unknown", "one of", "did you mean \"pool\"?"}},
    {"unknown key in the pool", pool("\"wrokers\": 4"), "4:12", {"pool.wrokers is unknown (value: 4)", "workers", "did you mean \"workers\"?"}},
    {"abbreviated key", pool("\"timeout\": 4"), "4:12", {"pool.timeout is unknown", "did you mean \"task_timeout\"?"}},
    {"camel case", with("\"taskOptions\": {}"), "4:3", {"taskOptions is unknown", "did you mean \"task_options\"?"}},
    {"key on the wrong level", with("\"workers\": 4"), "4:3", {"workers is unknown (value: 4)", "\"workers\" belongs into \"pool\""}},
    {"key in the wrong object", with("\"map\": {\"input\": 1}"), "4:11", {"map.input is unknown", "belongs to the outermost level"}},
    {"key like no other", with("\"xyzzy\": null"), "4:3", {"xyzzy is unknown (value: null)", "one of", "remove it"}},
    {"key twice", with("\"task\": \"bulkhead.echo\""), "4:3", {"task is written twice", "the first one is in line 2", "remove one"}},
    {"key twice in the pool", pool("\"nice\": 1, \"nice\": 2"), "4:23", {"pool.nice is written twice", "line 4"}},
    {"terminal escape in a key", with("\"\\u001b[31m\": 1"), "4:3", {"\\x1b[31m is unknown"}},
  };
}

std::vector<bad_config> values() {
  return {
    {"negative workers", pool("\"workers\": -3"), "4:23", {"pool.workers is -3", "a whole number from 0 to 65536", "\"workers\": 4", "default: 0"}},
    {"workers in quotes", pool("\"workers\": \"4\""), "4:23", {"pool.workers is \"4\"", "a whole number", "remove the quotes: \"workers\": 4"}},
    {"half a worker", pool("\"workers\": 1.5"), "4:23", {"pool.workers is 1.5", "a whole number from 0"}},
    {"a million workers", pool("\"workers\": 1000000"), "4:23", {"pool.workers is 1000000", "from 0 to 65536"}},
    {"more workers than the machine can have", pool("\"workers\": 65000"), "4:23", {"pool.workers is 65000, too many for this machine", "65000 need", "there are", "write \"workers\":"}},
    {"null workers", pool("\"workers\": null"), "4:23", {"pool.workers is null", "a whole number"}},
    {"pool that is a number", with("\"pool\": 4"), "4:11", {"pool is 4", "an object with the options of the pool", "{\"workers\":4}"}},
    {"unknown start method", pool("\"start\": \"forkservr\""), "4:21", {"pool.start is \"forkservr\"", "one of forkserver, spawn, fork, thread or eager", "did you mean \"forkserver\"?"}},
    {"start method that is no text", pool("\"start\": true"), "4:21", {"pool.start is true", "one of forkserver", "default: \"forkserver\""}},
    {"unknown policy", pool("\"dispatch\": \"roundrobin\""), "4:24", {"pool.dispatch is \"roundrobin\"", "did you mean \"round_robin\"?"}},
    {"unknown on_full", pool("\"on_full\": \"drop\""), "4:23", {"pool.on_full is \"drop\"", "block or reject"}},
    {"negative time", pool("\"grace\": -1"), "4:21", {"pool.grace is -1", "a time from 0 to 365 days", "\"500ms\"", "default: \"2s\""}},
    {"time with an unknown unit", pool("\"grace\": \"2 weeks\""), "4:21", {"pool.grace is \"2 weeks\"", "ns, us, ms, s, min, h or d"}},
    {"time without a unit", pool("\"task_timeout\": \"10\""), "4:28", {"pool.task_timeout is \"10\"", "a number of seconds, or a text with"}},
    {"time of a thousand years", pool("\"task_timeout\": \"365000d\""), "4:28", {"pool.task_timeout is \"365000d\"", "365 days"}},
    {"negative size", pool("\"queue_bytes\": \"-1MiB\""), "4:27", {"pool.queue_bytes is \"-1MiB\"", "a size", "\"64MiB\""}},
    {"size with a misspelt unit", pool("\"max_memory_per_worker\": \"256Mb\""), "4:37", {"pool.max_memory_per_worker is \"256Mb\"", "KiB, MiB, GiB"}},
    {"ring too small", pool("\"ring_capacity\": 1000"), "4:29", {"pool.ring_capacity is 1000", "from 64KiB to 1GiB", "1MiB"}},
    {"no room in the queue", pool("\"queue_capacity\": 0"), "4:30", {"pool.queue_capacity is 0", "from 1 to 16777216"}},
    {"niceness out of range", pool("\"nice\": 20"), "4:20", {"pool.nice is 20", "a whole number from 0 to 19", "\"nice\": 10"}},
    {"CPU that does not exist", pool("\"affinity\": [0, 8000]"), "4:28", {"pool.affinity[1] is 8000", "one of the CPUs", "write [] for all"}},
    {"CPU that is no number", pool("\"affinity\": [\"0\"]"), "4:25", {"pool.affinity[0] is \"0\"", "the number of a CPU"}},
    {"CPU twice", pool("\"affinity\": [0, 0]"), "4:24", {"pool.affinity is [0,0]", "different CPU numbers"}},
    {"limit above the hard limit", pool("\"limits\": {\"open_files\": 1048576}"), "4:37", {"pool.limits.open_files is 1048576", "at most"}},
    {"too few descriptors", pool("\"limits\": {\"open_files\": 3}"), "4:37", {"pool.limits.open_files is 3", "16 or more", "256"}},
    {"hardly any address space", pool("\"limits\": {\"address_space\": \"1MiB\"}"), "4:40", {"pool.limits.address_space is \"1MiB\"", "at least 34MiB", "1GiB"}},
    {"text as truth", with("\"map\": {\"ordered\": \"false\"}"), "4:22", {"map.ordered is \"false\"", "true or false", "remove the quotes"}},
    {"negative chunk", with("\"map\": {\"chunk\": -1}"), "4:20", {"map.chunk is -1", "from 0 to 1000000"}},
    {"args that is no list", with("\"args\": \"x\""), "4:11", {"args is \"x\"", "a list of at most 32 values"}},
    {"retries that are a text", with("\"task_options\": {\"retries\": \"many\"}"), "4:31", {"task_options.retries is \"many\"", "null for pool.retries"}},
    {"name with a newline", with("\"name\": \"a\\nb\""), "4:11", {"name is \"a\\nb\"", "control character"}},
    {"name without an end", with("\"name\": \"" + std::string(100, 'n') + "\""), "4:11", {"name is \"nnn", "at most 64 characters"}},
    {"reduce without a task", with("\"reduce\": {\"batch\": 2}"), "4:13", {"reduce.task is missing", "the name of a task"}},
  };
}

std::vector<bad_config> contradictions() {
  return {
    {"soft limit behind the hard one", with("\"task_options\": {\"timeout\": \"1s\", \"soft_timeout\": \"2s\"}"), "4:53", {"task_options.soft_timeout is \"2s\"", "less than task_options.timeout", "raise timeout"}},
    {"soft limit behind the pool's", with("\"pool\": {\"task_timeout\": 1}, \"task_options\": {\"soft_timeout\": 1}"), "4:65", {"pool.task_timeout of 1s", "less than"}},
    {"back-off above its maximum", pool("\"restart\": {\"backoff_initial\": \"5s\"}"), "4:43", {"pool.restart.backoff_initial is \"5s\", which is longer than backoff_max, 2s", "backoff_initial <= backoff_max", "swap"}},
    {"period of nothing", pool("\"restart\": {\"within\": 0}"), "4:34", {"pool.restart.within is 0", "more than 0"}},
    {"retries that poison forbids", pool("\"retries\": 2, \"poison_after\": 1"), "4:42", {"pool.poison_after is 1", "none of the 2 retries", "\"poison_after\": 3"}},
    {"memory limit out of reach", pool("\"max_memory_per_worker\": \"2GiB\", \"limits\": {\"address_space\": \"1GiB\"}"), "4:37", {"pool.max_memory_per_worker is \"2GiB\"", "ends at 1GiB", "raise address_space"}},
    {"key without key_hash", with("\"task_options\": {\"key\": \"{}\"}"), "4:27", {"task_options.key is \"{}\"", "key_hash", "remove the key"}},
    {"key_hash without a key", pool("\"dispatch\": \"key_hash\""), "4:24", {"pool.dispatch is \"key_hash\"", "have no key", "\"key\": \"{}\""}},
    {"memory limit of threads", pool("\"start\": \"thread\", \"max_memory_per_worker\": \"1GiB\""), "4:56", {"pool.max_memory_per_worker is \"1GiB\"", "pool.start is thread", "forkserver"}},
    {"captured output of the caller", pool("\"start\": \"eager\", \"output\": \"capture\""), "4:40", {"pool.output is \"capture\"", "pool.start is eager", "inherit"}},
    {"chunk larger than the window", with("\"map\": {\"chunk\": 100, \"buffersize\": 10}"), "4:20", {"map.chunk is 100", "map.buffersize"}},
    {"window that the queue rejects", with("\"map\": {\"buffersize\": 100}, \"pool\": {\"queue_capacity\": 10, \"on_full\": \"reject\"}"), "4:25", {"map.buffersize is 100", "holds 10 and rejects", "\"on_full\": \"block\""}},
    {"two kinds of input", "{\"task\": \"bulkhead.echo\", \"input\": {\"list\": [\"a\"], \"range\": {\"to\": 3}}}", "1:36", {"2 kinds of inputs", "exactly one of list, glob, lines or range", "remove all but one"}},
    {"no kind of input", "{\"task\": \"bulkhead.echo\", \"input\": {}}", "1:36", {"input is {}", "exactly one of", "\"list\": [1, 2, 3]"}},
    {"no inputs in the list", "{\"task\": \"bulkhead.echo\", \"input\": {\"list\": []}}", "1:45", {"input.list is []", "at least one input"}},
    {"spread of a text", with("\"map\": {\"spread\": true}"), "3:22", {"input.list[0] is \"a\"", "a list of arguments", "write [\"a\"]"}},
    {"range of nothing", "{\"task\": \"bulkhead.echo\", \"input\": {\"range\": {\"from\": 5, \"to\": 1}}}", "1:46", {"input.range is", "which holds no number", "swap"}},
    {"range without an end", "{\"task\": \"bulkhead.echo\", \"input\": {\"range\": {\"to\": 1, \"step\": 0}}}", "1:64", {"input.range.step is 0", "not 0", "\"step\": 1"}},
  };
}

std::vector<bad_config> world() {
  return {
    {"misspelt task", "{\"task\": \"bulkhead.ecko\", \"input\": {\"list\": [\"a\"]}}", "1:10", {"task is \"bulkhead.ecko\", which is no known task", "bulkhead.echo", "did you mean \"bulkhead.echo\"?"}},
    {"task of another library", "{\"task\": \"render_row\", \"input\": {\"list\": [1]}}", "1:10", {"task is \"render_row\"", "load the library"}},
    {"empty task", "{\"task\": \"\"}", "1:10", {"task is \"\"", "the name of a task", "bulkhead list"}},
    {"library that does not exist", with("\"load\": [\"./nowhere.so\"]"), "4:12", {"load[0] is", "nowhere.so, which does not exist", "a task library", "relative to the configuration file"}},
    {"library that is a directory", with("\"load\": [\"/tmp\"]"), "4:12", {"load[0] is /tmp, a directory", "a task library"}},
    {"library that is a text", with("\"load\": [\"/etc/passwd\"]"), "4:12", {"/etc/passwd, which does not load", "the dynamic linker says"}},
    {"the same library twice", with("\"load\": [\"libword_count.so\", \"./libword_count.so\", \"libword_count.so\"]"), "4:11", {"load is", "different paths"}},
    {"pattern that matches nothing", "{\"task\": \"bulkhead.echo\", \"input\": {\"glob\": \"/usr/include/**/*.nothing\"}}", "1:45", {"input.glob is \"/usr/include/**/*.nothing\"", "at least one regular file", "check the pattern"}},
    {"pattern in a missing directory", "{\"task\": \"bulkhead.echo\", \"input\": {\"glob\": [\"/nowhere/at/all/*\"]}}", "1:46", {"input.glob[0] is", "/nowhere does not exist"}},
    {"directory as pattern", "{\"task\": \"bulkhead.echo\", \"input\": {\"glob\": \"/usr/include\"}}", "1:45", {"input.glob is \"/usr/include\"", "it is a directory", "/usr/include/*"}},
    {"missing file of lines", "{\"task\": \"bulkhead.echo\", \"input\": {\"lines\": \"nowhere.txt\"}}", "1:46", {"input.lines is \"nowhere.txt\", a file that does not exist", "readable text file", "check the path"}},
    {"device as file of lines", "{\"task\": \"bulkhead.echo\", \"input\": {\"lines\": \"/dev/zero\"}}", "1:46", {"input.lines is \"/dev/zero\", a device"}},
    {"output in a missing directory", with("\"output\": \"nowhere/results.jsonl\""), "4:13", {"output is \"nowhere/results.jsonl\"", "does not exist", "mkdir -p"}},
    {"output into a directory", with("\"output\": \"/tmp\""), "4:13", {"output is \"/tmp\", a directory", "a file that may be written"}},
    {"output over the configuration", with("\"output\": \"job.json\""), "4:13", {"output is \"job.json\", the configuration itself"}},
    {"input of another type", "{\"task\": \"bulkhead.echo\", \"input\": {\"list\": [\"a\", 7]}}", "1:51", {"input.list[1] is 7", "argument 1", "a text", "(text) -> text"}},
    {"range for a task on texts", "{\"task\": \"bulkhead.echo\", \"input\": {\"range\": {\"to\": 3}}}", "1:46", {"input.range is", "argument 1", "a text"}},
    {"too many arguments", with("\"args\": [1]"), "4:11", {"takes 1 argument, 2 given", "bulkhead.echo (text) -> text", "remove some of \"args\""}},
    {"no arguments", "{\"task\": \"bulkhead.echo\"}", "1:10", {"takes 1 argument, 0 given"}},
    {"reduce by a task that does not merge", with("\"reduce\": {\"task\": \"bulkhead.echo\"}"), "4:22", {"reduce.task is \"bulkhead.echo\"", "a task (list of text) -> text", "choose a task"}},
    {"reduce by a task that does not exist", with("\"reduce\": {\"task\": \"bulkhead.merge\"}"), "4:22", {"reduce.task is \"bulkhead.merge\"", "no known task"}},
  };
}

} // namespace

const std::vector<bad_config>& bad_configs() {
  static const auto all = [] {
    std::vector<bad_config> table;
    for (auto part : {syntax(), keys(), values(), contradictions(), world()})
      table.insert(table.end(), part.begin(), part.end());
    return table;
  }();
  return all;
}

} // namespace bulkhead::testing
