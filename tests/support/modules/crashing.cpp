// A library that crashes in a function which only its symbol table knows.

namespace {

int* volatile nowhere = nullptr;

[[gnu::noinline, gnu::noclone, gnu::no_sanitize("undefined"), gnu::no_sanitize_address]] void
crash_inside() {
  *nowhere = 1;
}

} // namespace

extern "C" void crash_in_library();
extern "C" void crash_in_library() {
  crash_inside();
  *nowhere = 2; // no tail call
}
