#include <bulkhead/observe/web_page.hpp>

#include "observe/model/watched.hpp"
#include "observe/output/metrics.hpp"
#include "observe/output/snapshot_json.hpp"
#include "observe/web/connection.hpp"
#include "observe/web/page_text.hpp"
#include "observe/web/web_server.hpp"

#include <algorithm>
#include <charconv>
#include <random>
#include <string>

// The page and the answers behind it. A stream keeps a cursor of its own into what the watch
// remembers, so that a slow reader costs itself news and nobody else memory.
namespace bulkhead::observe {

using namespace std::chrono_literals;

namespace {

using namespace detail;

constexpr auto between_pushes = 500ms;
constexpr std::size_t slices_a_push = 600;

std::string random_nonce() {
  std::random_device device;
  std::string nonce;
  for (int i = 0; i < 32; ++i)
    nonce += "0123456789abcdef"[device() % 16];
  return nonce;
}

void answer_page(httplib::Response& response) {
  constexpr std::string_view mark = "NONCE";
  const auto nonce = random_nonce();
  std::string page{page_text};
  for (auto at = page.find(mark); at != std::string::npos; at = page.find(mark, at))
    page.replace(at, mark.size(), nonce);
  response.set_header("Content-Security-Policy",
                      "default-src 'none'; img-src data:; connect-src 'self'; base-uri 'none'; "
                      "form-action 'none'; frame-ancestors 'none'; style-src 'nonce-"
                        + nonce + "'; script-src 'nonce-" + nonce + "'");
  response.set_content(page, "text/html; charset=utf-8");
}

/// Where more ended than a page can show, failures and long tasks first.
void thin_out(std::vector<slice>& slices) {
  if (slices.size() <= slices_a_push)
    return;
  const auto weight = [](const slice& s) {
    return (s.result == task_result::succeeded ? 0ns : 1h) + (s.ended - s.began);
  };
  std::nth_element(slices.begin(), slices.begin() + slices_a_push, slices.end(),
                   [&](const auto& a, const auto& b) { return weight(a) > weight(b); });
  slices.resize(slices_a_push);
  std::sort(slices.begin(), slices.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
}

// The page does not show them one by one.
watch::cursor nothing_of_messages() noexcept {
  watch::cursor since;
  since.message = UINT64_MAX;
  return since;
}

/// What a page is told next; the cursor moves on.
std::string next_push(watched& pool, watch::cursor& since) {
  auto now = pool.now(since);
  if (!now.slices.empty())
    since.slice = now.slices.back().number;
  if (!now.failures.empty())
    since.failure = now.failures.back().number;
  if (!now.events.empty())
    since.event = now.events.back().number;
  thin_out(now.slices);
  return "data: " + text_of(to_json(now)) + "\n\n";
}

std::uint64_t number_in(const httplib::Request& asked, const char* name) {
  const auto text = asked.get_param_value(name);
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

} // namespace

struct web_page::server {
  server(const pool& of, endpoint where, const std::string& secret)
    : seen(of), at(std::move(where)), token(secret),
      web(listen_at(at.host, at.port), secret,
          [this](const httplib::Request& asked, httplib::Response& response) {
            answer(asked, response);
          }) {}

  void answer(const httplib::Request& asked, httplib::Response& response) {
    if (asked.path == "/")
      answer_page(response);
    else if (asked.path == "/metrics")
      response.set_content(detail::metrics_text({seen.now()}),
                           "text/plain; version=0.0.4; charset=utf-8");
    else if (asked.path == "/api/snapshot")
      response.set_content(
        text_of(to_json(seen.now({number_in(asked, "slice"), number_in(asked, "failure"),
                                  number_in(asked, "event"), number_in(asked, "message")}))),
        "application/json");
    else if (asked.path == "/api/events")
      push(response);
    else {
      response.status = 404;
      response.set_content("404 Not Found; there are /, /metrics, /api/snapshot and /api/events\n",
                           "text/plain");
    }
  }

  void push(httplib::Response& response) {
    response.set_chunked_content_provider(
      "text/event-stream",
      [this, since = nothing_of_messages(), next = std::chrono::steady_clock::time_point{}](
        std::size_t, httplib::DataSink& sink) mutable {
        if (!web.wait_until(next))
          return false;
        next = std::chrono::steady_clock::now() + between_pushes;
        const auto text = next_push(*seen.shared(), since);
        return sink.write(text.data(), text.size());
      });
  }

  const watch seen;
  endpoint at;
  const std::string token;
  web_server web;
};

web_page::web_page(const pool& of, web_options options) {
  auto at = parse_endpoint(options.address);
  check_token(at, options.token);
  server_ = std::make_unique<server>(of, std::move(at), options.token);
}

web_page::~web_page() = default;
web_page::web_page(web_page&&) noexcept = default;
web_page& web_page::operator=(web_page&&) noexcept = default;

std::string web_page::url() const {
  return server_->at.origin() + '/' + (server_->token.empty() ? "" : "?token=" + server_->token);
}

const watch& web_page::seen() const noexcept { return server_->seen; }

} // namespace bulkhead::observe
