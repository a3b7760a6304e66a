// A task library: renders the first page of a PDF of a stranger with poppler, and tells its size,
// its text and whether there is any ink on it.
//
//     bulkhead run examples/pdf_pages/pdf_pages.json

#include <bulkhead/task.hpp>

#include <poppler-document.h>
#include <poppler-global.h>
#include <poppler-image.h>
#include <poppler-page-renderer.h>
#include <poppler-page.h>

#include <iconv.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace {

/// poppler's texts come by a converter that libc loads as code. This library is loaded before the
/// sandbox closes, and holds it from then on; otherwise it would take sandbox.executable_memory.
[[maybe_unused]] const auto converter = ::iconv_open("UTF-16", "UTF-8");

bool has_ink(const poppler::image& picture) {
  const auto* const data = picture.const_data();
  for (int y = 0; y < picture.height(); ++y)
    for (int x = 0; x < picture.width(); ++x)
      if (static_cast<unsigned char>(data[y * picture.bytes_per_row() + 4 * x]) < 128)
        return true;
  return false;
}

std::string first_line_of(const poppler::page& page) {
  const auto all = page.text().to_latin1();
  return all.substr(0, all.find('\n'));
}

std::string first_page(const std::string& file) {
  poppler::set_debug_error_function([](const std::string&, void*) {}, nullptr);
  const std::unique_ptr<poppler::document> document{poppler::document::load_from_file(file)};
  if (!document || document->pages() == 0)
    throw std::runtime_error("it is no PDF");
  const std::unique_ptr<poppler::page> page{document->create_page(0)};
  if (!page)
    throw std::runtime_error("its first page cannot be read");
  poppler::page_renderer renderer;
  renderer.set_image_format(poppler::image::format_argb32);
  const auto picture = renderer.render_page(page.get(), 72, 72);
  return std::to_string(picture.width()) + " x " + std::to_string(picture.height()) + ", "
         + (has_ink(picture) ? "ink" : "blank") + ", \"" + first_line_of(*page) + '"';
}

} // namespace

BULKHEAD_TASK("pdf.first_page", first_page)
