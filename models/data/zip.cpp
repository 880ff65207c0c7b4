#include "models/data/zip.h"

#include <zip.h>

#include <algorithm>
#include <list>
#include <set>

#include "models/data/file_bytes.h"

namespace reel::detail {
namespace {

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_source_t* source) const { zip_source_free(source); }
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
using ArchivePointer = std::unique_ptr<zip_t, Discard>;
using SourcePointer = std::unique_ptr<zip_source_t, Discard>;

struct ZipFailure {
  zip_error_t error;
  ZipFailure() { zip_error_init(&error); }
  ZipFailure(const ZipFailure&) = delete;
  ZipFailure& operator=(const ZipFailure&) = delete;
  ~ZipFailure() { zip_error_fini(&error); }
  std::string text() { return zip_error_strerror(&error); }
};

/// Opens an archive whose bytes are the source's; the archive takes over one reference of it.
ArchivePointer open(SourcePointer source, int flags) {
  ZipFailure failure;
  ArchivePointer archive(zip_open_from_source(source.get(), flags, &failure.error));
  if (!archive) throw FileError("the zip archive cannot be read: " + failure.text());
  static_cast<void>(source.release());
  return archive;
}

SourcePointer buffer_source(const void* data, size_t bytes) {
  ZipFailure failure;
  SourcePointer source(zip_source_buffer_create(data, bytes, 0, &failure.error));
  if (!source) throw Error("[zip] no memory for an archive: " + failure.text());
  return source;
}

ZipReader::Entry entry_of(zip_t* archive, uint64_t index) {
  zip_stat_t found;
  zip_stat_init(&found);
  check<FileError>(zip_stat_index(archive, index, ZIP_FL_ENC_GUESS, &found) == 0,
                   "entry {} of the zip archive cannot be read: {}", index, zip_strerror(archive));
  constexpr uint64_t wanted =
      ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  check<FileError>((found.valid & wanted) == wanted, "entry {} of the zip archive is incomplete", index);
  const std::string name = shown_name(found.name);
  check<FileError>(found.encryption_method == ZIP_EM_NONE, "{} in the zip archive is encrypted", name);
  check<FileError>(found.comp_method == ZIP_CM_STORE || found.comp_method == ZIP_CM_DEFLATE,
                   "{} in the zip archive is packed by method {}; stored and deflated are known", name,
                   found.comp_method);
  const bool possible = found.comp_method == ZIP_CM_STORE ? found.size == found.comp_size
                                                          : found.size <= most_inflated(found.comp_size);
  check<FileError>(possible, "{} in the zip archive claims to have {} bytes, packed in {}", name, found.size,
                   found.comp_size);
  check<FileError>(stays_inside(found.name), "the name {} leads out of the zip archive", name);
  return {found.name, found.size, found.comp_size};
}

}  // namespace

bool stays_inside(std::string_view name) {
  if (name.empty() || name.front() == '/' || (name.size() > 1 && name[1] == ':')) return false;
  if (std::any_of(name.begin(), name.end(),
                  [](unsigned char c) { return c < 0x20 || c == 0x7F || c == '\\'; }))
    return false;
  return ("/" + std::string(name) + "/").find("/../") == std::string::npos;
}

std::string shown_name(std::string_view name) {
  constexpr size_t longest = 100;
  std::string result = "\"" + std::string(name.substr(0, longest)) + (name.size() > longest ? "...\"" : "\"");
  std::replace_if(
      result.begin(), result.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7F; }, '?');
  return result;
}

struct ZipReader::Archive {
  ArchivePointer zip;
};

ZipReader::ZipReader(std::span<const std::byte> archive) : archive_(std::make_unique<Archive>()) {
  constexpr std::byte letter{'P'};
  check<FileError>(archive.size() >= 4 && archive[0] == letter,
                   "not a zip archive");  // libzip takes none for an empty one
  archive_->zip = open(buffer_source(archive.data(), archive.size()), ZIP_RDONLY);
  const zip_int64_t count = zip_get_num_entries(archive_->zip.get(), 0);
  std::set<std::string_view> names;
  uint64_t packed = 0;
  entries_.reserve(static_cast<size_t>(std::max<zip_int64_t>(count, 0)));  // names are viewed
  for (zip_int64_t i = 0; i < count; ++i) {
    const Entry& entry = entries_.emplace_back(entry_of(archive_->zip.get(), static_cast<uint64_t>(i)));
    check<FileError>(names.insert(entry.name).second, "the zip archive has {} twice", shown_name(entry.name));
    check<FileError>(entry.packed <= archive.size() - packed,
                     "the zip archive's entries claim more bytes than it has");
    packed += entry.packed;
  }
}
ZipReader::~ZipReader() = default;

Tensor ZipReader::read(size_t index) {
  const Entry& entry = entries_.at(index);
  zip_t* zip = archive_->zip.get();
  const std::unique_ptr<zip_file_t, Discard> file(zip_fopen_index(zip, index, 0));
  check<FileError>(file != nullptr, "cannot be unpacked: {}", zip_strerror(zip));
  Tensor content = empty({static_cast<int64_t>(entry.size)}, {.dtype = DType::uint8});
  const auto next = [&](void* to, uint64_t most) {
    const zip_int64_t count = zip_fread(file.get(), to, most);
    check<FileError>(count >= 0, "cannot be unpacked: {}", zip_file_strerror(file.get()));
    return static_cast<uint64_t>(count);
  };
  uint64_t got = 0;
  while (got < entry.size) {
    const uint64_t count = next(content.raw<uint8_t>() + got, entry.size - got);
    check<FileError>(count > 0, "unpacks to {} bytes, expected {}", got, entry.size);
    got += count;
  }
  uint8_t beyond = 0;  // the checksum is compared at the end
  check<FileError>(next(&beyond, 1) == 0, "unpacks to more than the {} bytes expected", entry.size);
  return content;
}

struct ZipWriter::Archive {
  bool compress;
  std::list<std::string> contents;  // read by finish()
  SourcePointer bytes;              // before the archive, which refers to it
  ArchivePointer zip;
};

ZipWriter::ZipWriter(bool compress) : archive_(std::make_unique<Archive>()) {
  archive_->compress = compress;
  archive_->bytes = buffer_source(nullptr, 0);
  zip_source_keep(archive_->bytes.get());
  archive_->zip = open(SourcePointer(archive_->bytes.get()), ZIP_CREATE | ZIP_TRUNCATE);
}
ZipWriter::~ZipWriter() = default;

void ZipWriter::add(const std::string& name, std::string content) {
  constexpr zip_uint16_t date_1980 = 1 << 5 | 1;  // years since 1980, month, day
  zip_t* zip = archive_->zip.get();
  const std::string& kept = archive_->contents.emplace_back(std::move(content));
  SourcePointer source = buffer_source(kept.data(), kept.size());
  const zip_int64_t index = zip_file_add(zip, name.c_str(), source.get(), ZIP_FL_ENC_UTF_8);
  check(index >= 0, "[zip] {} cannot be added: {}", shown_name(name), zip_strerror(zip));
  static_cast<void>(source.release());
  const auto at = static_cast<zip_uint64_t>(index);
  const bool set =
      zip_set_file_compression(zip, at, archive_->compress ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0) == 0 &&
      zip_file_set_dostime(zip, at, 0, date_1980, 0) == 0;
  check(set, "[zip] {} cannot be added: {}", shown_name(name), zip_strerror(zip));
}

std::string ZipWriter::finish() {
  zip_t* zip = archive_->zip.get();
  if (archive_->contents.empty())
    return std::string("PK\5\6", 4) + std::string(18, '\0');  // libzip would write no file
  check(zip_close(zip) == 0, "[zip] the archive cannot be made: {}", zip_strerror(zip));
  static_cast<void>(archive_->zip.release());  // which zip_close has freed
  zip_source_t* source = archive_->bytes.get();
  zip_stat_t found;
  zip_stat_init(&found);
  check(zip_source_stat(source, &found) == 0 && zip_source_open(source) == 0,
        "[zip] the archive cannot be read back");
  std::string bytes(found.size, '\0');
  const zip_int64_t got = zip_source_read(source, bytes.data(), found.size);
  zip_source_close(source);
  check(got == static_cast<zip_int64_t>(found.size), "[zip] the archive cannot be read back");
  return bytes;
}

}  // namespace reel::detail
