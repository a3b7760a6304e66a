#include "engine/courier/broker.hpp"

#include "engine/courier/tls.hpp"

#include <amqp_framing.h>
#include <amqp_tcp_socket.h>

#include <sys/time.h>

#include <vector>

// RabbitMQ by librabbitmq. All is done on one channel but looks at queues, since a look at one that
// is not there closes its channel.
namespace bulkhead::engine {

namespace {

constexpr amqp_channel_t main_channel = 1;
constexpr amqp_channel_t look_channel = 2;
constexpr int largest_frame = 131'072;
constexpr timeval answer_time{10, 0};
constexpr std::int32_t unused_queue_ms = 3'600'000;
constexpr std::string_view task_consumer = "tasks.";

amqp_bytes_t view(std::string_view text) noexcept {
  // The library's type is not const; it only reads.
  return {text.size(), const_cast<char*>(text.data())};
}

std::string text_of(amqp_bytes_t bytes) {
  return {static_cast<const char*>(bytes.bytes), bytes.len};
}

amqp_table_entry_t entry(const char* key, bool value) noexcept {
  amqp_table_entry_t e{};
  e.key = amqp_cstring_bytes(key);
  e.value.kind = AMQP_FIELD_KIND_BOOLEAN;
  e.value.value.boolean = value ? 1 : 0;
  return e;
}

amqp_table_entry_t entry(const char* key, const char* value) noexcept {
  amqp_table_entry_t e{};
  e.key = amqp_cstring_bytes(key);
  e.value.kind = AMQP_FIELD_KIND_UTF8;
  e.value.value.bytes = amqp_cstring_bytes(value);
  return e;
}

amqp_table_entry_t entry(const char* key, std::int32_t value) noexcept {
  amqp_table_entry_t e{};
  e.key = amqp_cstring_bytes(key);
  e.value.kind = AMQP_FIELD_KIND_I32;
  e.value.value.i32 = value;
  return e;
}

// What the broker calls wrong and will call wrong again; 320 is an operator's doing, 405 somebody
// who is about to go.
bool is_final(std::uint16_t code) noexcept {
  return code == 402 || code == 403 || code == 530 || code == 406;
}

[[noreturn]] void throw_close(const std::string& doing, std::uint16_t code, amqp_bytes_t text) {
  throw broker_error(doing + ": the broker says " + std::to_string(code) + " " + text_of(text),
                     is_final(code));
}

[[noreturn]] void throw_status(const std::string& doing, int status) {
  const auto tls = last_tls_failure();
  const bool wrong = tls.is_final || status == AMQP_STATUS_SSL_PEER_VERIFY_FAILED
                     || status == AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED;
  throw broker_error(
    doing + ": " + amqp_error_string2(status) + (tls.text.empty() ? "" : "; " + tls.text), wrong);
}

[[noreturn]] void throw_reply(const std::string& doing, const amqp_rpc_reply_t& reply) {
  if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION) {
    if (reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
      const auto* m = static_cast<const amqp_connection_close_t*>(reply.reply.decoded);
      throw_close(doing, m->reply_code, m->reply_text);
    }
    if (reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
      const auto* m = static_cast<const amqp_channel_close_t*>(reply.reply.decoded);
      throw_close(doing, m->reply_code, m->reply_text);
    }
  }
  throw_status(doing, reply.library_error);
}

} // namespace

broker::broker(const courier_settings& settings) : settings_(settings) {
  state_ = amqp_new_connection();
  if (state_ == nullptr)
    throw std::bad_alloc{};
  try {
    connect();
    make_queues();
  } catch (...) {
    amqp_destroy_connection(state_);
    throw;
  }
}

broker::~broker() {
  if (holds_message_)
    amqp_destroy_message(&message_);
  // The orderly close is an exchange that may take long with a broker that does not read; the
  // broker takes the end of the connection as well.
  amqp_destroy_connection(state_);
}

void broker::connect() {
  auto url = settings_.url; // parsed in place
  amqp_connection_info where{};
  amqp_default_connection_info(&where);
  const auto shown = without_password(settings_.url);
  if (const auto status = amqp_parse_url(url.data(), &where); status != AMQP_STATUS_OK)
    throw broker_error("the URL of the broker, " + shown + ", is none: write amqp://user:password@"
                         + "host:5672/vhost or amqps://",
                       true);
  auto* socket = where.ssl != 0 ? make_tls_socket(state_, settings_) : amqp_tcp_socket_new(state_);
  if (socket == nullptr)
    throw std::bad_alloc{};
  amqp_set_handshake_timeout(state_, &answer_time);
  amqp_set_rpc_timeout(state_, &answer_time);
  auto limit = answer_time;
  if (const auto status = amqp_socket_open_noblock(socket, where.host, where.port, &limit);
      status != AMQP_STATUS_OK)
    throw_status("cannot reach the broker " + shown, status);
  log_in(where);
}

void broker::log_in(const amqp_connection_info& where) {
  // So that the broker says what is wrong with a password, when it has an alarm, and that a queue
  // of ours is gone.
  amqp_table_entry_t abilities[] = {
    entry("authentication_failure_close", true), entry("connection.blocked", true),
    entry("consumer_cancel_notify", true), entry("basic.nack", true)};
  amqp_table_entry_t all[1] = {};
  all[0].key = amqp_cstring_bytes("capabilities");
  all[0].value.kind = AMQP_FIELD_KIND_TABLE;
  all[0].value.value.table = {4, abilities};
  const amqp_table_t properties{1, all};
  const auto heartbeat = static_cast<int>(settings_.heartbeat_s);
  const bool by_certificate =
    !settings_.certificate_file.empty() && !names_user(settings_.url); // which has the user's name
  const auto reply =
    by_certificate
      ? amqp_login_with_properties(state_, where.vhost, 0, largest_frame, heartbeat, &properties,
                                   AMQP_SASL_METHOD_EXTERNAL, "certificate")
      : amqp_login_with_properties(state_, where.vhost, 0, largest_frame, heartbeat, &properties,
                                   AMQP_SASL_METHOD_PLAIN, where.user, where.password);
  if (reply.reply_type != AMQP_RESPONSE_NORMAL)
    throw_reply("logging in at " + without_password(settings_.url), reply);
}

void broker::expect(const std::string& doing) {
  const auto reply = amqp_get_rpc_reply(state_);
  if (reply.reply_type != AMQP_RESPONSE_NORMAL)
    throw_reply(doing, reply);
}

void broker::make_queues() {
  for (const auto channel : {main_channel, look_channel}) {
    amqp_channel_open(state_, channel);
    expect("opening a channel");
  }
  amqp_exchange_declare(state_, main_channel, view(settings_.exchange), view("fanout"), 0, 1, 0, 0,
                        amqp_empty_table);
  expect("making the exchange " + settings_.exchange);
  amqp_queue_declare(state_, main_channel, view(settings_.own_queue), 0, 0, 1, 1, amqp_empty_table);
  expect("making the queue " + settings_.own_queue);
  if (settings_.is_node) {
    amqp_queue_bind(state_, main_channel, view(settings_.own_queue), view(settings_.exchange),
                    amqp_empty_bytes, amqp_empty_table);
    expect("binding the queue " + settings_.own_queue);
  }
  // A message for nobody: without the right to publish, the broker's next answer is a refusal.
  sent(amqp_basic_publish(state_, main_channel, amqp_empty_bytes, amqp_empty_bytes, 0, 0, nullptr,
                          amqp_empty_bytes));
  amqp_basic_consume(state_, main_channel, view(settings_.own_queue), view("own"), 0, 1, 1,
                     amqp_empty_table);
  expect("publishing, and reading the queue " + settings_.own_queue);
  for (const auto& queue : settings_.task_queues) {
    // Durable because brokers are about to refuse shared queues that are not; what is in it need
    // not be, the submitter has it all.
    amqp_table_entry_t arguments[] = {entry("x-expires", unused_queue_ms),
                                      entry("x-queue-type", "quorum")};
    amqp_queue_declare(state_, main_channel, view(queue), 0, 1, 0, 0,
                       {settings_.replicated ? 2 : 1, arguments});
    expect("making the queue " + queue);
  }
}

int broker::fd() const noexcept { return amqp_get_sockfd(state_); }

bool broker::has_more() noexcept {
  return amqp_frames_enqueued(state_) != 0 || amqp_data_in_buffer(state_) != 0;
}

broker_event broker::next() {
  if (holds_message_)
    amqp_destroy_message(&message_);
  holds_message_ = false;
  amqp_maybe_release_buffers(state_);
  amqp_frame_t frame{};
  constexpr timeval at_once{0, 0};
  const auto status = amqp_simple_wait_frame_noblock(state_, &frame, &at_once);
  if (status == AMQP_STATUS_TIMEOUT)
    return {};
  if (status != AMQP_STATUS_OK)
    throw_status("the connection to the broker broke", status);
  return frame.frame_type == AMQP_FRAME_METHOD ? on_method(frame)
                                               : broker_event{.what = broker_event::kind::other};
}

broker_event broker::on_method(const amqp_frame_t& frame) {
  using kind = broker_event::kind;
  const auto* what = frame.payload.method.decoded;
  broker_event event{.what = kind::other};
  switch (frame.payload.method.id) {
  case AMQP_BASIC_DELIVER_METHOD: {
    const auto* m = static_cast<const amqp_basic_deliver_t*>(what);
    event.what = text_of(m->consumer_tag).starts_with(task_consumer) ? kind::batch : kind::delivery;
    event.tag = m->delivery_tag;
    break;
  }
  case AMQP_BASIC_RETURN_METHOD:
    event.what = kind::returned;
    event.name = text_of(static_cast<const amqp_basic_return_t*>(what)->routing_key);
    break;
  case AMQP_CONNECTION_BLOCKED_METHOD:
    event.what = kind::blocked;
    event.name = text_of(static_cast<const amqp_connection_blocked_t*>(what)->reason);
    return event;
  case AMQP_CONNECTION_UNBLOCKED_METHOD:
    event.what = kind::unblocked;
    return event;
  case AMQP_BASIC_CANCEL_METHOD:
    throw broker_error("a queue of this connection was deleted", false);
  case AMQP_CHANNEL_CLOSE_METHOD: {
    const auto* m = static_cast<const amqp_channel_close_t*>(what);
    throw_close("the channel was closed", m->reply_code, m->reply_text);
  }
  case AMQP_CONNECTION_CLOSE_METHOD: {
    const auto* m = static_cast<const amqp_connection_close_t*>(what);
    throw_close("the connection was closed", m->reply_code, m->reply_text);
  }
  default:
    return event;
  }
  read_body(frame.channel);
  event.body = {static_cast<const std::byte*>(message_.body.bytes), message_.body.len};
  return event;
}

void broker::read_body(amqp_channel_t channel) {
  const auto reply = amqp_read_message(state_, channel, &message_, 0);
  if (reply.reply_type != AMQP_RESPONSE_NORMAL)
    throw_reply("reading a message", reply);
  holds_message_ = true;
}

void broker::sent(int status) {
  if (status != AMQP_STATUS_OK)
    throw_status("cannot send to the broker", status);
}

void broker::publish(std::string_view exchange, std::string_view queue,
                     std::span<const std::byte> body) {
  const bool mandatory = exchange.empty(); // an announcement may be heard by nobody
  sent(amqp_basic_publish(state_, main_channel, view(exchange), view(queue), mandatory ? 1 : 0, 0,
                          nullptr, {body.size(), const_cast<std::byte*>(body.data())}));
}

void broker::ack(std::uint64_t tag) { sent(amqp_basic_ack(state_, main_channel, tag, 0)); }

void broker::give_back(std::uint64_t tag) {
  sent(amqp_basic_nack(state_, main_channel, tag, 0, 1));
}

void broker::consume(std::uint16_t most) {
  pause();
  amqp_basic_qos(state_, main_channel, 0, most, 0);
  expect("limiting how many batches come");
  ++generation_;
  for (std::size_t i = 0; i < settings_.task_queues.size(); ++i) {
    const auto tag =
      std::string{task_consumer} + std::to_string(generation_) + "." + std::to_string(i);
    amqp_basic_consume(state_, main_channel, view(settings_.task_queues[i]), view(tag), 0, 0, 0,
                       amqp_empty_table);
    expect("reading the queue " + settings_.task_queues[i]);
  }
  consumes_ = true;
}

void broker::pause() {
  if (!consumes_)
    return;
  for (std::size_t i = 0; i < settings_.task_queues.size(); ++i) {
    const auto tag =
      std::string{task_consumer} + std::to_string(generation_) + "." + std::to_string(i);
    amqp_basic_cancel(state_, main_channel, view(tag));
    expect("pausing");
  }
  consumes_ = false;
}

std::uint64_t broker::look(const std::string& queue) {
  const auto* found =
    amqp_queue_declare(state_, look_channel, view(queue), 1, 0, 0, 0, amqp_empty_table);
  if (found != nullptr)
    return found->message_count;
  const auto reply = amqp_get_rpc_reply(state_);
  if (reply.reply_type != AMQP_RESPONSE_SERVER_EXCEPTION
      || reply.reply.id != AMQP_CHANNEL_CLOSE_METHOD)
    throw_reply("looking at the queue " + queue, reply);
  amqp_channel_close_ok_t ok{};
  sent(amqp_send_method(state_, look_channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok));
  amqp_channel_open(state_, look_channel);
  expect("opening a channel");
  return UINT64_MAX;
}

} // namespace bulkhead::engine
