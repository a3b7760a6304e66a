namespace {

int three_times(int x) { return 3 * x; }

} // namespace

/// Linked without a build id: the module is known by its code.
extern "C" [[gnu::visibility("default")]] const void* library_code() {
  return reinterpret_cast<const void*>(&three_times);
}
