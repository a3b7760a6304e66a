#include "image.hpp"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

using codec = std::unique_ptr<void, int (*)(tjhandle)>;

std::vector<std::uint8_t> bytes_of(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  if (!in)
    throw std::runtime_error("cannot be opened");
  return {std::istreambuf_iterator<char>{in}, {}};
}

image read_jpeg(const std::filesystem::path& file) {
  const auto bytes = bytes_of(file);
  const auto size = static_cast<unsigned long>(bytes.size());
  const codec decoder{tjInitDecompress(), tjDestroy};
  const auto expect = [&](int result) {
    if (result != 0)
      throw std::runtime_error(tjGetErrorStr2(decoder.get()));
  };
  int width = 0, height = 0, subsampling = 0, colours = 0;
  expect(tjDecompressHeader3(decoder.get(), bytes.data(), size, &width, &height, &subsampling,
                             &colours));
  image picture{static_cast<std::size_t>(width), static_cast<std::size_t>(height), {}};
  picture.rgb.resize(3 * picture.width * picture.height);
  expect(tjDecompress2(decoder.get(), bytes.data(), size, picture.rgb.data(), width, 0, height,
                       TJPF_RGB, 0));
  return picture;
}

image read_png(const std::filesystem::path& file) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  const std::unique_ptr<png_image, void (*)(png_image*)> cleaner{&png, png_image_free};
  if (!png_image_begin_read_from_file(&png, file.c_str()))
    throw std::runtime_error(png.message);
  png.format = PNG_FORMAT_RGB;
  image picture{png.width, png.height, std::vector<std::uint8_t>(PNG_IMAGE_SIZE(png))};
  if (!png_image_finish_read(&png, nullptr, picture.rgb.data(), 0, nullptr))
    throw std::runtime_error(png.message);
  return picture;
}

void write_jpeg(const std::filesystem::path& file, const image& picture) {
  const codec encoder{tjInitCompress(), tjDestroy};
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  const int result =
    tjCompress2(encoder.get(), picture.rgb.data(), static_cast<int>(picture.width), 0,
                static_cast<int>(picture.height), TJPF_RGB, &bytes, &size, TJSAMP_420, 85, 0);
  const std::unique_ptr<unsigned char, void (*)(unsigned char*)> owner{bytes, tjFree};
  if (result != 0)
    throw std::runtime_error(tjGetErrorStr2(encoder.get()));
  std::ofstream{file, std::ios::binary}.write(reinterpret_cast<const char*>(bytes),
                                              static_cast<std::streamsize>(size));
}

void write_png(const std::filesystem::path& file, const image& picture) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(picture.width);
  png.height = static_cast<png_uint_32>(picture.height);
  png.format = PNG_FORMAT_RGB;
  if (!png_image_write_to_file(&png, file.c_str(), 0, picture.rgb.data(), 0, nullptr))
    throw std::runtime_error(png.message);
}

} // namespace

image read_image(const std::filesystem::path& file) {
  return file.extension() == ".png" ? read_png(file) : read_jpeg(file);
}

void write_image(const std::filesystem::path& file, const image& picture) {
  file.extension() == ".png" ? write_png(file, picture) : write_jpeg(file, picture);
}

image shrink(const image& picture, std::size_t side) {
  const auto step = (std::max(picture.width, picture.height) + side - 1) / side;
  image small{picture.width / step, picture.height / step, {}};
  small.rgb.reserve(3 * small.width * small.height);
  for (std::size_t y = 0; y < small.height; ++y)
    for (std::size_t x = 0; x < small.width; ++x)
      for (std::size_t channel = 0; channel < 3; ++channel) {
        std::size_t sum = 0;
        for (std::size_t dy = 0; dy < step; ++dy)
          for (std::size_t dx = 0; dx < step; ++dx)
            sum += picture.rgb[3 * ((y * step + dy) * picture.width + x * step + dx) + channel];
        small.rgb.push_back(static_cast<std::uint8_t>(sum / (step * step)));
      }
  return small;
}
