// A native codec that parses untrusted files, hosted as a pool of actors: whatever a file does to
// the codec costs one reply.
#include <bulkhead/init.hpp>
#include <bulkhead/spawn_pool.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>

#include <signal.h>
#include <turbojpeg.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using bytes = std::vector<std::uint8_t>;

namespace {

struct close_codec {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using codec = std::unique_ptr<void, close_codec>;

std::runtime_error failed(void* handle) { return std::runtime_error(tjGetErrorStr2(handle)); }

bytes compress(const bytes& rgb, int width, int height) {
  codec c{tjInitCompress()};
  unsigned char* out = nullptr;
  unsigned long size = 0;
  if (tjCompress2(c.get(), rgb.data(), width, 0, height, TJPF_RGB, &out, &size, TJSAMP_420, 85, 0)
      != 0)
    throw failed(c.get());
  bytes result(out, out + size);
  tjFree(out);
  return result;
}

// An eighth of each side: libjpeg scales while it decodes.
bytes thumbnail_of(const bytes& jpeg) {
  codec c{tjInitDecompress()};
  int width = 0;
  int height = 0;
  int sampling = 0;
  int colours = 0;
  if (tjDecompressHeader3(c.get(), jpeg.data(), jpeg.size(), &width, &height, &sampling, &colours)
      != 0)
    throw failed(c.get());
  const tjscalingfactor eighth{1, 8};
  const int w = TJSCALED(width, eighth);
  const int h = TJSCALED(height, eighth);
  bytes rgb(static_cast<std::size_t>(w) * static_cast<std::size_t>(h) * 3);
  if (tjDecompress2(c.get(), jpeg.data(), jpeg.size(), rgb.data(), w, 0, h, TJPF_RGB,
                    TJFLAG_STOPONWARNING)
      != 0)
    throw failed(c.get());
  return compress(rgb, w, h);
}

// A file that makes the codec run wild, as an exploit would. The mark stands for it here.
bool is_malicious(const bytes& jpeg) {
  const std::string text(jpeg.begin(), jpeg.end());
  return text.find("EXPLOIT") != std::string::npos;
}

caf::behavior thumbnailer(caf::event_based_actor*) {
  return {[](const bytes& jpeg) -> caf::result<bytes> {
    if (is_malicious(jpeg))
      ::raise(SIGSEGV);
    try {
      return thumbnail_of(jpeg);
    } catch (const std::runtime_error& e) {
      return make_error(caf::sec::invalid_argument, std::string{e.what()});
    }
  }};
}

bytes picture(int number) {
  constexpr int side = 256;
  bytes rgb;
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x)
      for (int channel = 0; channel < 3; ++channel)
        rgb.push_back(static_cast<std::uint8_t>((x * (channel + 1) + y * number) % 256));
  return compress(rgb, side, side);
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);

  caf::actor_system_config config;
  bulkhead::configure(config);
  caf::actor_system system{config};
  auto codec_pool = bulkhead::spawn_pool(system, {.workers = 2}, thumbnailer);

  caf::scoped_actor self{system};
  int good = 0;
  for (int i = 1; i <= 12; ++i) {
    auto file = picture(i);
    if (i == 4)
      file.resize(file.size() / 2); // cut short
    if (i == 8)
      file.insert(file.end(), {'E', 'X', 'P', 'L', 'O', 'I', 'T'});
    self->request(codec_pool, 30s, std::move(file))
      .receive([&](const bytes& thumbnail) { good += thumbnail.size() > 100; },
               [&](const caf::error& e) {
                 std::cout << "picture " << i << ": ";
                 if (auto status = bulkhead::exit_status_of(e))
                   std::cout << "the codec was " << bulkhead::to_string(*status) << '\n';
                 else
                   std::cout << "refused by the codec\n";
               });
  }
  std::cout << good << " thumbnails of 12 pictures\n";
}
