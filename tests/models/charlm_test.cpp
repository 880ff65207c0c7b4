// The character model's program, run as a user runs it.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>

#include "models/text.h"
#include "tests/catch.h"

namespace reel::models {
namespace {

struct Outcome {
  int status;
  std::string text;  // both streams
};

Outcome run(const std::string& arguments) {
  FILE* pipe = popen((std::string(REEL_CHARLM) + " " + arguments + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  char buffer[4096];
  for (size_t count; (count = fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, count);
  const int status = pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text};
}

/// Without what may differ between runs: the speed and the time left.
std::string losses(const std::string& text) {
  return std::regex_replace(text, std::regex("  [0-9]+ chars/s.*"), "");
}

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// A folder with a text in it, gone at the end.
struct Workplace {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("reel_charlm_" + std::to_string(getpid()));
  std::string text = (folder / "text.txt").string();
  Workplace() {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    std::ofstream file(text);
    for (int i = 0; i < 400; ++i) file << "row " << i * i << " of the table has " << i % 7 << " entries.\n";
  }
  ~Workplace() { std::filesystem::remove_all(folder); }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  std::string path(const std::string& name) const { return (folder / name).string(); }
  std::string arguments(const std::string& more) const {
    return text + (more.find("--batch") == std::string::npos ? " --batch 8" : "") +
           (more.find("--sample") == std::string::npos ? " --sample 0" : "") +
           " --hidden 16 --embedding 8 --layers 2 --dropout 0.1 --length 16 " + more;
  }
};

}  // namespace

TEST_CASE("the same seed gives the same losses, another seed others", "[charlm]") {
  const Workplace here;
  for (const std::string cell : {"lstm", "gru", "rnn"}) {
    const Outcome first = run(here.arguments("--steps 30 --cell " + cell));
    REQUIRE(first.status == 0);
    CHECK_THAT(first.text, contains_text("step 30/30") && contains_text("validation: loss"));
    CHECK(losses(first.text) == losses(run(here.arguments("--steps 30 --cell " + cell)).text));
    CHECK(losses(first.text) != losses(run(here.arguments("--steps 30 --seed 2 --cell " + cell)).text));
  }
}

TEST_CASE("an interrupted run that is resumed ends in the bits of the run never stopped", "[charlm]") {
  const Workplace here;
  REQUIRE(run(here.arguments("--steps 2000 --save " + here.path("whole"))).status == 0);
  const Outcome stopped =
      run("--help > /dev/null; timeout -s INT --preserve-status 0.3 " + std::string(REEL_CHARLM) + " " +
          here.arguments("--steps 2000 --save " + here.path("part")));
  REQUIRE_THAT(stopped.text, contains_text("interrupted after step"));
  const Outcome resumed =
      run(here.arguments("--steps 2000 --resume " + here.path("part") + " --save " + here.path("rest")));
  INFO(stopped.text << resumed.text);
  REQUIRE(resumed.status == 0);
  CHECK(bytes_of(here.path("rest")) == bytes_of(here.path("whole")));
}

TEST_CASE("a saved model is taken up by a new run, and only by one of its kind", "[charlm]") {
  const Workplace here;
  REQUIRE(run(here.arguments("--steps 20 --save " + here.path("model"))).status == 0);
  CHECK(run(here.arguments("--steps 5 --seed 9 --load " + here.path("model"))).status == 0);
  const auto refused = [&](const std::string& more, const std::string& reason) {
    const Outcome outcome = run(here.arguments(more));
    CHECK(outcome.status == 1);
    CHECK_THAT(outcome.text, contains_text("charlm: ") && contains_text(reason));
  };
  refused("--cell gru --load " + here.path("model"), "another cell: lstm, here gru");
  refused("--steps 20 --seed 9 --resume " + here.path("model"), "another seed: 1, here 9");
  refused("--load a --resume b", "only one of them");
  refused("--load " + here.path("nothing"), here.path("nothing"));
  refused("--load " + here.text, here.text);
  refused("--cell perceptron", "rnn, lstm or gru, got perceptron");
  refused("--batch 8 --steps 5 --sample 3 --prompt ZZZ", "does not occur");
  refused("--steps 5 --temperature 0", "temperature");
  refused("--batch 100000", "too short");
  refused("--colour red", "colour");
  refused("--save /no/such/folder/model", "/no/such/folder");
  refused("--steps -3", "steps must be at least 1");
  refused("--clip -1", "clip must be at least 0");
  CHECK_THAT(run(here.folder.string()).text, contains_text(here.folder.string()));
  CHECK(run("/no/such/text").status == 1);
  CHECK_THAT(run("--help").text, contains_text("--temperature"));
}

TEST_CASE("the King James Bible comes without banner and labels", "[charlm]") {
  if (std::system("command -v bible > /dev/null") != 0) {
    WARN("skipped: the program `bible` is not installed");
    return;
  }
  const std::string text = read_king_james();
  CHECK(text.starts_with("In the beginning God created the heaven and the earth.\n"));
  CHECK(text.ends_with("The grace of our Lord Jesus Christ be with you all. Amen.\n"));
  CHECK(std::count(text.begin(), text.end(), '\n') == 31102);  // the verses of the King James Bible
  CHECK(text.find("Ge1:") == std::string::npos);
}

}  // namespace reel::models
