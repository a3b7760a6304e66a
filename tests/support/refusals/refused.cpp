// Compiled by tests/shipping_refusal_test.cpp: with REFUSED, each call is one error.
#include <bulkhead/detail/ship.hpp>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace {

template <class F, class... Args>
void submit(F f, const Args&... args) {
  using result = bulkhead::detail::shipped_result_t<F, Args...>;
  bulkhead::detail::buffer out;
  bulkhead::detail::encode_callable(out, f);
  bulkhead::detail::encode_args(out, args...);
  [[maybe_unused]] const auto stub = bulkhead::detail::stub_of<F, Args...>;
  if constexpr (!std::is_void_v<result>)
    bulkhead::detail::decode_result<result>(out.bytes());
}

struct opaque {
  explicit opaque(std::string s);
  std::string name;
};
struct counter {
  int count = 0;
  int add(int n) { return count += n; }
};

} // namespace

void refused(int& number, const char* text, std::string_view view, std::vector<int>& numbers) {
  static_cast<void>(number), static_cast<void>(text), static_cast<void>(view);
  static_cast<void>(numbers);
  submit([n = 1](int x) { return n + x; }, 1);
#ifdef REFUSED
  submit([&number] { return number; });
  submit([text] { return *text; });
  submit([view] { return view.size(); });
  submit([s = std::span(numbers)] { return s.size(); });
  submit([names = std::array<const char*, 2>{}] { return names.size(); });
  submit([numbers] { return numbers.size(); });
  submit(&counter::add, counter{}, 1);
  submit(std::function<int()>([] { return 1; }));
  submit([](int* p) { return *p; }, &number);
  submit([] { return std::string_view("a"); });
  submit([](const std::map<int, std::vector<std::string_view>>& m) { return m.size(); },
         std::map<int, std::vector<std::string_view>>{});
  submit([](const std::shared_ptr<int>& p) { return *p; }, std::shared_ptr<int>());
  submit([](const opaque& o) { return o.name.size(); }, opaque("a"));
  submit([](const char* s) { return *s; }, "text");
  submit([](const std::vector<int>& v) { return &v; }, numbers);
  submit([] { return +[] { return 1; }; });
#endif
}
