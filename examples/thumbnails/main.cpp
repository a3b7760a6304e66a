// Makes thumbnails of a folder of pictures, some of which are corrupt. The codecs are C libraries
// that see bytes from anywhere: what goes wrong there costs one picture.
//
//     thumbnails [FOLDER]      default: thumbnails.samples, made and filled here

#include "image.hpp"
#include "samples.hpp"

#include <bulkhead/bulkhead.hpp>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

std::string make_thumbnail(const fs::path& file) {
  const auto small = shrink(read_image(file), 128);
  const auto target = file.parent_path() / "thumbnails" / file.filename();
  write_image(target, small);
  return std::to_string(small.width) + " x " + std::to_string(small.height);
}

std::vector<fs::path> pictures_in(const fs::path& folder) {
  std::vector<fs::path> pictures;
  for (const auto& entry : fs::directory_iterator{folder})
    if (entry.path().extension() == ".jpg" || entry.path().extension() == ".png")
      pictures.push_back(entry.path());
  std::sort(pictures.begin(), pictures.end());
  return pictures;
}

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  const fs::path folder = argc > 1 ? argv[1] : "thumbnails.samples";
  if (argc == 1)
    make_samples(folder);
  fs::create_directories(folder / "thumbnails");
  const auto pictures = pictures_in(folder);

  bulkhead::pool pool({
    .max_memory_per_worker = 512 << 20,
    .task_timeout = std::chrono::minutes{1},
    // A codec that was taken over reads these pictures, writes thumbnails, and can do nothing else.
    .sandbox = {.base = bulkhead::sandbox_profile::strict,
                .read = {folder},
                .write = {folder / "thumbnails"}},
  });
  const auto outcomes = pool.try_map(make_thumbnail, pictures);

  std::size_t written = 0;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const auto& outcome = outcomes[i];
    written += outcome.has_value() ? 1 : 0;
    std::cout << pictures[i].filename().string() << ": "
              << (outcome ? outcome.value() : "not written: " + outcome.failure().message) << '\n';
  }
  std::cout << written << " thumbnails written, " << pictures.size() - written
            << " pictures are corrupt\n";
}
