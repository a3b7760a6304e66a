#pragma once

#include <bulkhead/actors/message_type.hpp>
#include <bulkhead/actors/registered_behavior.hpp>

#define BULKHEAD_DETAIL_MESSAGE_JOIN_2(a, b) a##b
#define BULKHEAD_DETAIL_MESSAGE_JOIN(a, b) BULKHEAD_DETAIL_MESSAGE_JOIN_2(a, b)

/// Declares a type that travels in actor messages, once, at namespace scope. The type has an
/// `inspect` as CAF wants it; std::vector of it travels too. Systems know it when their
/// configuration went through bulkhead::configure, workers always.
///
///     struct point { int x = 0; int y = 0; };
///     template <class Inspector>
///     auto inspect(Inspector& f, point& p) { return f(p.x, p.y); } // as CAF 0.17 wants it
///     BULKHEAD_MESSAGE(point)
///
/// On CAF 1.x the declaration comes before the first use of the type in a message or behaviour, and
/// the type gets a number made from its name: where two types get the same one, configure() throws
/// a config_error that names both, and one of them has to be renamed.
#define BULKHEAD_MESSAGE(...)                                                                      \
  static const ::bulkhead::detail::message_registration BULKHEAD_DETAIL_MESSAGE_JOIN(              \
    bulkhead_message_, __COUNTER__){::bulkhead::detail::describe_message_type<__VA_ARGS__>(        \
    #__VA_ARGS__, ::bulkhead::detail::declare_type<__VA_ARGS__>::done)};

/// Gives a behaviour a name by which `pool.spawn("name", args...)` finds it. At namespace scope;
/// the behaviour is a function or a captureless lambda whose parameter types are written out.
///
///     caf::behavior account(caf::event_based_actor* self, int opening_balance);
///     BULKHEAD_ACTOR("account", account)
#define BULKHEAD_ACTOR(name, ...)                                                                  \
  static const ::bulkhead::detail::behavior_registration BULKHEAD_DETAIL_MESSAGE_JOIN(             \
    bulkhead_actor_, __COUNTER__){name, __VA_ARGS__};
