// Other programs, run to their end.
#pragma once

#include <string>
#include <vector>

namespace sigmax_bench {

struct finished {
  int status = 0;  // the exit code; 128 + the signal that ended it; 127 if it could not be started
  std::string out, err;
};

/// `words[0]` is looked up in PATH unless it has a slash. `environment`: "NAME=value", added to this process's.
finished run_process(const std::vector<std::string>& words, const std::vector<std::string>& environment = {});

/// The path of the program itself.
std::string own_path();

/// A folder of its own that goes away with the object.
class scratch_folder {
 public:
  scratch_folder();
  ~scratch_folder();
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace sigmax_bench
